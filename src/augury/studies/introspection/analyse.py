"""Stage `analyse`: from a collection to answers, tables, figures and a report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from augury.report.page import page, write_page
from augury.runs.atomic import ensure_folder, write_json
from augury.studies.introspection.analysis_config import AnalysisConfig
from augury.studies.introspection.analysis_report import (
    analysis_sections,
    answers_of,
    verdict_lines,
)
from augury.studies.introspection.analysis_tables import write_tables
from augury.studies.introspection.collected import Collected
from augury.studies.introspection.findings import OpenModel, find
from augury.studies.introspection.questions import read_questions
from augury.studies.introspection.verdicts import Answer

__all__ = ["ANSWERS", "analyse"]

ANSWERS = "results/answers.json"


def analyse(
    collected: Collected,
    config: AnalysisConfig,
    folder: Path,
    *,
    identity: str,
    open_model: OpenModel | None = None,
) -> list[Answer]:
    """Analyse a collection; `results/`, `figures/` and the report are written into the folder.

    Parts that an interrupted call has finished are kept.

    Args:
        collected: Items and states.
        config: How.
        folder: Of the run.
        identity: Of the collection: what was analysed of another one is made anew.
        open_model: Gives the models to patch and steer; None where there are none.

    Raises:
        DataError: The collection cannot be analysed; see `read_questions`.
    """
    questions = read_questions(collected)
    results = ensure_folder(folder / "results")
    found = find(questions, config, results, identity=identity, open_model=open_model)
    answers = answers_of(found, config.alpha)
    write_tables(found, results)
    write_json(folder / ANSWERS, [asdict(answer) for answer in answers])
    rendered = page(
        "Does confidence follow what the model knows?",
        analysis_sections(found, questions, config, folder),
        folder=folder,
        verdict=verdict_lines(answers),
        lead=f"{len(questions)} questions; {' and '.join(collected.models)}; passes "
        f"{', '.join(collected.passes)}.",
    )
    write_page(rendered, folder)
    return answers
