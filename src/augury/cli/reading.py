"""`augury extract` and `augury estimate`: reading by itself, without a study around it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from augury.studies.reading import ReadingJob

__all__ = ["estimate", "extract"]

ConfigPath = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Config with the sections model, traces and reading."),
]
StudyName = Annotated[
    str | None, typer.Option("--study", help="The config is one of this study; its rest is unused.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--override", "-o", help="key=value on top of the config.")
]


def extract(
    to: Annotated[Path, typer.Argument(help="Folder of traces, tokens and store.")],
    config: ConfigPath = None,
    study: StudyName = None,
    override: Overrides = None,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option("--engine", help="This process, or the workers of a Ray cluster."),
    ] = "local",
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="With ray: how many. Default: one per GPU or node."),
    ] = None,
) -> None:
    """Read hidden states into a store; continue where an earlier run stopped."""
    from augury.studies.reading import run_job

    for line in run_job(_job(config, study, override), to, engine=engine, workers=workers):
        print(line)


def estimate(
    config: ConfigPath = None,
    study: StudyName = None,
    override: Overrides = None,
    per_hour: Annotated[
        float | None, typer.Option("--per-hour", min=0, help="Price of an hour of this machine.")
    ] = None,
    no_weights: Annotated[
        bool,
        typer.Option(
            "--no-weights",
            help="Of a model whose config and tokenizer alone are here or fetched; no time.",
        ),
    ] = False,
) -> None:
    """Say what a reading will cost: rows, bytes, memory, operations, minutes, money."""
    from augury.errors import UsageError
    from augury.models.named import without_weights
    from augury.studies.reading import estimate_job
    from augury.studies.registry import find_study, study_reading

    if no_weights and per_hour is not None:
        raise UsageError(
            "--per-hour",
            found="--no-weights beside it",
            expected="a time to multiply, which only a trial with the weights gives",
            fix="leave one of them out",
        )
    if study is None and config is not None and not _is_job(config, override):
        study = study_reading(config, override or [])
    recipe = find_study(study) if study else None
    own = recipe.estimate if recipe is not None else None
    if recipe is not None and own is not None:
        settings = recipe.read_config(config, override or [])
    else:
        settings = _job(config, study, override)
    if no_weights:
        settings = without_weights(settings)
    found = (own or estimate_job)(settings)
    for line in found.lines():
        print(line)
    if per_hour is not None:
        print(f"cost     {found.seconds / 3600 * per_hour:.2f} at {per_hour:g} an hour")


def _is_job(config: Path, override: list[str] | None) -> bool:
    from augury.config import load_config
    from augury.errors import ConfigError, MissingInput
    from augury.studies.reading import ReadingJob

    try:
        load_config(ReadingJob, config, override or [])
    except (ConfigError, MissingInput):
        return False
    return True


def _job(config: Path | None, study: str | None, override: list[str] | None) -> ReadingJob:
    from augury.config import load_config
    from augury.errors import UsageError
    from augury.studies.reading import ReadingJob
    from augury.studies.registry import find_study

    if study is None and config is not None:
        return load_config(ReadingJob, config, override or [])
    name = study or "backtracking-lag"
    job = getattr(find_study(name).read_config(config, override or []), "job", None)
    if not isinstance(job, ReadingJob):
        raise UsageError(
            f"study {name}",
            found="it makes the texts that it reads, as part of its run",
            expected="backtracking-lag, or a config with the sections model, traces and reading",
            fix=f"augury run {name}",
        )
    return job
