"""Judge what a user names: a file of anybody's predictions, or a run of a study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from augury.config import load_config
from augury.errors import UsageError
from augury.studies.judging import JudgingConfig, judge_file, judge_run, report_judgement
from augury.studies.judging_groups import report_group_results
from augury.studies.judging_numbers import judge_number_file
from augury.studies.registry import STUDIES, find_study, study_of

__all__ = ["judge_named"]


def judge_named(
    what: str,
    named: tuple[str, str, Sequence[str]],
    overrides: Sequence[str],
    *,
    out: Path | None,
    runs: Path,
) -> list[str]:
    """Judge a file, or a run again; lines for a terminal.

    Args:
        what: A file, or a run: its name, a path, `latest`, or any of these after `STUDY/`.
        named: Columns of group, label and scores; for a file.
        overrides: `key=value` of `JudgingConfig`; for a file.
        out: Where to write tables and a report; None writes nothing.
        runs: Folder of all runs.

    Raises:
        UsageError: Columns or settings are named for a run, which has its own; runs of several
            studies have this name.
        DataError: As `judge_file` and `judge_run`.
    """
    path = Path(what)
    if path.is_file() or path.suffix == ".parquet":
        config = load_config(JudgingConfig, None, overrides)
        columns = config.columns(*named)
        if config.continuous:
            return judge_number_file(path, columns, config, out)
        return report_judgement(judge_file(path, columns, config), out)
    if any(named) or overrides:
        raise UsageError(
            what,
            found="columns or settings for a run, and no such file",
            expected="a Parquet file with these; a run is judged with its own settings",
        )
    study, slash, name = what.partition("/")
    if not slash or study not in STUDIES:
        study, name = study_of(runs, what), what
    recipe = find_study(study)
    if recipe.judge_within is not None:
        run, settings = recipe.open(runs, name)
        return report_group_results(recipe.judge_within(run, settings), run.path, out)
    return report_judgement(judge_run(study, runs, name), out)
