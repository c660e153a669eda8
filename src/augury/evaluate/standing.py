"""Standing: how a predictor did on a question, group by group: what leaderboards are made of.

Groups stand by their names, so that two runs can be compared on the groups that both have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import TypeAdapter

from augury.evaluate.cells import TEST, VALIDATION
from augury.evaluate.group_scores import scores_within
from augury.evaluate.records import CellResult, CellScores
from augury.plain import fingerprint, plain
from augury.runs.atomic import write_bytes

__all__ = ["GroupValues", "Standing", "cell_standing", "read_standings", "write_standings"]

GroupValues = Mapping[str, float]
"""Score within each group that says something, by the group's name."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One predictor on one question in one run."""

    question: Mapping[str, Any]
    """What decides the labels and who is tested: data, target, horizon. Seeds are no part of it."""

    model: str
    """Whose text or states."""

    setting: str
    """Which data, in a phrase."""

    target: str
    """What is predicted, in a phrase."""

    metric: str
    """`average precision` for yes and no, `Spearman` for numbers; within groups."""

    sees: Literal["states", "no states"]
    """Whether the predictor sees hidden states; those that do not are never ranked among those
    that do."""

    predictor: str
    """Which of the run's, e.g. `resid.3`."""

    site: str | None
    """Whose states it sees, where these are of one site."""

    validation: GroupValues
    test: GroupValues

    baseline: str | None
    """The strongest predictor without states that it is compared with; None where there is none."""

    baseline_test: GroupValues
    verdict: str

    @property
    def league(self) -> str:
        """Standings with the same league can be ranked: same question, metric and sight."""
        return fingerprint([self.question, self.metric, self.sees])[:12]


_STANDINGS = TypeAdapter(list[Standing])


def cell_standing(
    cell: CellScores, result: CellResult, groups: Sequence[str], **about: Any
) -> Standing:
    """The standing of one judged cell of a grid of probes.

    Args:
        cell: Its rows.
        result: Its judgement.
        groups: Name of each group, by number.
        about: `question`, `model`, `setting`.
    """
    kind = f"{result.kind} " if result.kind != "row" else ""
    question = {
        **about.pop("question"),
        "label": result.label,
        "kind": result.kind,
        "horizon": result.horizon,
    }
    best = result.best_baseline
    validated = cell.scores if cell.folds is None else cell.folds.validated
    side = VALIDATION if cell.folds is None else TEST
    return Standing(
        question=plain(question),  # type: ignore[arg-type]
        target=f"{result.label}, {kind}h={result.horizon:+d}",
        metric="average precision",
        sees="states",
        predictor=result.site,
        site=result.site,
        validation=_within(cell, validated, side, groups),
        test=_within(cell, cell.scores, TEST, groups),
        baseline=best,
        baseline_test=_within(cell, cell.baselines[best], TEST, groups) if best else {},
        verdict=result.verdict,
        **about,
    )


def write_standings(path: Path, standings: Sequence[Standing]) -> None:
    """Write them as JSON; floats read back exactly."""
    write_bytes(path, _STANDINGS.dump_json(list(standings)))


def read_standings(path: Path) -> list[Standing]:
    """Read what `write_standings` wrote."""
    return _STANDINGS.validate_json(path.read_bytes())


def _within(
    cell: CellScores, scores: np.ndarray, side: int, groups: Sequence[str]
) -> dict[str, float]:
    at = np.flatnonzero(cell.split == side)
    if not len(at):
        return {}
    own = scores_within(cell.labels[at], scores[at], cell.groups[at])
    numbers = np.unique(cell.groups[at])
    return {
        groups[number]: float(value)
        for number, value in zip(numbers.tolist(), own.tolist(), strict=True)
        if np.isfinite(value)
    }
