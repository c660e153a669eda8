"""Tell an experiment tracker what a run found, where that is asked for; nothing needs one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from augury.config import Config
from augury.errors import MissingInput
from augury.report.tables import CellValue
from augury.runs.folder import Run

__all__ = ["TrackingConfig", "track_run"]


class TrackingConfig(Config):
    """Whether and where a run is logged."""

    project: str | None = Field(default=None, min_length=1)
    """Project of Weights & Biases; nothing is logged without one. Whether it is sent, or kept in
    the run's folder `wandb`, says the variable WANDB_MODE (`online`, `offline`)."""

    group: str | None = Field(default=None, min_length=1)
    """Group of runs that belong together, e.g. those of one sweep."""


def track_run(
    run: Run,
    config: TrackingConfig,
    *,
    study: str,
    settings: Mapping[str, object],
    rows: Sequence[Mapping[str, CellValue]],
) -> str | None:
    """Log one step per row with its numbers, then all as a table; None where nothing is asked.

    Args:
        run: Its name and folder.
        config: Where to.
        study: Becomes the type of the job.
        settings: The run's config in plain form.
        rows: In the order of the sites; text and missing numbers stand in the table only.

    Returns:
        The tracker's id of the run.

    Raises:
        MissingInput: The package `wandb` is not installed.
    """
    if config.project is None:
        return None
    try:
        import wandb
    except ImportError as error:
        raise MissingInput(
            "tracking.project",
            found="the package wandb is not installed",
            fix="pip install 'augury[wandb]', or leave tracking.project out",
        ) from error
    with wandb.init(
        project=config.project,
        group=config.group,
        name=run.name,
        job_type=study,
        config=dict(settings),
        dir=str(run.path),
        settings=wandb.Settings(silent=True, console="off"),
    ) as logged:
        for step, row in enumerate(rows):
            numbers = {key: value for key, value in row.items() if isinstance(value, int | float)}
            logged.log(numbers, step=step)
        columns = list(dict.fromkeys(name for row in rows for name in row))
        data = [[row.get(name) for name in columns] for row in rows]
        table = wandb.Table(columns=columns, data=data, allow_mixed_types=True)
        logged.log({"sites": table})
        return str(logged.id)
