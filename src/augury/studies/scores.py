"""The file between fitting and judging: every score on every row, and the probes' weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file, save

from augury.errors import MissingInput
from augury.runs.atomic import write_bytes

__all__ = ["GridAxes", "Scores", "read_scores", "write_scores"]


class GridAxes(NamedTuple):
    """What the probes of a run are numbered by; one per label, horizon and site of the store."""

    labels: tuple[str, ...]
    """Names of the targets."""

    horizons: tuple[int, ...]
    """Tokens from state to label; h > 0 looks ahead."""

    ahead: list[int]
    """Places in `horizons` of those that the shuffled-label control was fitted for."""


@dataclass(eq=False)
class Scores:
    """Arrays by (label, name); all have one column per horizon of the config."""

    rows: dict[str, np.ndarray] = field(default_factory=dict)
    """`group`, `trace`, `side` (of the only split, or of the first fold): int [row]; `judged`: bool
    [row], the test rows, which are all rows where folds test every group."""

    labels: dict[str, np.ndarray] = field(default_factory=dict)
    """By label: bool [row, horizon]."""

    use: dict[str, np.ndarray] = field(default_factory=dict)
    """By label: which rows count, bool [row, horizon]."""

    probes: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    """By label and site: score, float32 [row, horizon]. With folds, the place among validation rows
    of the fold that tested the row (`Crossed`); so are baselines."""

    called: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    """With folds: whether the row reaches its fold's threshold, bool [row, horizon]."""

    log_odds: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    """With folds: calibrated by the fold that tested the row, float32 [row, horizon]."""

    validated: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    """With folds: score by a fold that the row validated, float32 [row, horizon]."""

    first: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    """With folds: raw scores of the saved probes, those of the first fold, on its test rows;
    float32 [test row, horizon]."""

    settled: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    """With folds: slope, intercept and threshold of the first, float64 [horizon, 3]."""

    control_labels: dict[str, np.ndarray] = field(default_factory=dict)
    """By label: of the control task, on rows with `side` 2, bool [test row, horizon]."""

    control_task: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    """Scores of the probes that were fitted on it, float32 [test row, horizon]; nan where none."""

    controls: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    """The same on test rows only, of probes trained on rotated labels: float32 [test row, column],
    the columns of one horizon ahead after those of another, one per rotation."""

    baselines: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    """By label and name of the baseline."""

    references: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    """By label and name: predictors that were told the truth; no probe is asked to beat them."""

    weights: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    """By label and site: float32 [horizon, hidden], on raw states."""

    biases: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    """By label and site: float64 [horizon]."""

    @property
    def crossed(self) -> bool:
        """Whether folds tested every row."""
        return bool(self.settled)

    def of_saved(self, label: str, site: str) -> np.ndarray:
        """Raw scores of the saved probes on rows with `side` 2, float32 [test row, horizon]."""
        if self.crossed:
            return self.first[label, site]
        return np.asarray(self.probes[label, site][self.rows["side"] == 2])


_BY_ONE = ("rows", "labels", "use", "control_labels")
_BY_TWO = (
    "probes",
    "called",
    "log_odds",
    "validated",
    "first",
    "settled",
    "control_task",
    "controls",
    "baselines",
    "references",
    "weights",
    "biases",
)


def write_scores(path: Path, scores: Scores) -> None:
    """Write all arrays, whole or not at all. Labels are text of any kind; they only become keys."""
    arrays: dict[str, np.ndarray] = {}
    for kind in (*_BY_ONE, *_BY_TWO):
        table: Mapping[object, np.ndarray] = getattr(scores, kind)
        for key, array in table.items():
            name = key if isinstance(key, str) else "\0".join(key)  # type: ignore[arg-type]
            arrays[f"{kind}\0{name}"] = np.ascontiguousarray(array)
    write_bytes(path, save(arrays))


def read_scores(path: Path) -> Scores:
    """Read what `write_scores` wrote.

    Raises:
        MissingInput: The run has not come that far.
    """
    if not path.is_file():
        raise MissingInput(str(path), found="no scores yet", fix="let the run come to its end")
    scores = Scores()
    for key, array in load_file(path).items():
        kind, *names = key.split("\0")
        getattr(scores, kind)[names[0] if kind in _BY_ONE else tuple(names)] = array
    return scores
