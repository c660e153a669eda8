"""Data that cannot answer: a named error or `insufficient data`, and no number that looks measured.

Everything goes the way of a study: fit on training rows, score all rows, judge.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from augury.errors import AuguryError, DataError
from augury.evaluate.contract import judge_grid
from augury.evaluate.records import CellResult, CellScores
from augury.evaluate.table import result_row
from augury.probes.grid import fit_logistic_grid
from augury.probes.linear import scores
from augury.targets.events import Events
from augury.targets.horizons import at_horizon
from augury.targets.splits import three_way

CHAINS, TOKENS, HIDDEN = 60, 30, 6


@dataclass(frozen=True)
class Data:
    """Rows of equal chains with states that know the event."""

    states: np.ndarray
    labels: np.ndarray
    use: np.ndarray
    chain: np.ndarray
    group: np.ndarray
    side: np.ndarray


def _sound() -> Data:
    rng = np.random.default_rng(0)
    chain = np.repeat(np.arange(CHAINS), TOKENS)
    labels = rng.random(len(chain)) < 0.08
    states = rng.normal(size=(len(chain), HIDDEN)).astype(np.float32)
    states[:, 0] += 2 * labels
    side = np.array([0, 0, 1, 2])[chain % 4]
    return Data(states, labels, np.ones(len(chain), bool), chain, chain, side)


def _judge(data: Data) -> CellResult:
    # A second, sound column: one column that cannot be fitted must not stop the others.
    plain = _sound()
    labels = np.stack([data.labels, plain.labels], axis=1)
    use = np.stack([data.use, plain.use], axis=1) & (data.side == 0)[:, None]
    grid = fit_logistic_grid(data.states, labels, use.astype(np.float32), np.array([0.01, 0.01]))
    cell = CellScores(
        site="resid.0",
        horizon=4,
        label="event",
        kind="point",
        labels=data.labels[data.use],
        scores=scores(data.states, grid)[data.use, 0],
        groups=data.group[data.use],
        traces=data.chain[data.use],
        split=data.side[data.use],
        baselines={"prevalence": np.zeros(int(data.use.sum()))},
    )
    (result,) = judge_grid([cell], draws=100, permutations=99, seed=0)
    return result


def _one_class(data: Data, side: int, value: bool) -> Data:
    return replace(data, labels=np.where(data.side == side, value, data.labels))


def _one_test_group(data: Data) -> Data:
    return replace(data, group=np.where(data.side == 2, CHAINS, data.group))


def _far(data: Data, horizon: int) -> Data:
    onset = data.labels.reshape(CHAINS, TOKENS)
    every = np.ones(TOKENS, bool)
    pairs = [at_horizon(Events(one, one), horizon, eligible=every) for one in onset]
    label, use = (np.concatenate([getattr(p, name) for p in pairs]) for name in ("label", "use"))
    return replace(data, labels=label, use=use)


def _changed(data: Data, rows: np.ndarray, value: float) -> Data:
    states = data.states.copy()
    states[rows, 2] = value
    return replace(data, states=states)


def _numbers(result: CellResult) -> dict[str, float]:
    row = result_row(result).items()
    return {name: float(v) for name, v in row if isinstance(v, float)}


INSUFFICIENT: dict[str, tuple[Callable[[Data], Data], str]] = {
    "no positive in train": (lambda d: _one_class(d, 0, False), "no positive row in train"),
    "no negative in train": (lambda d: _one_class(d, 0, True), "no negative row in train"),
    "no positive in validation": (
        lambda d: _one_class(d, 1, False),
        "no positive row in validation",
    ),
    "no positive in test": (lambda d: _one_class(d, 2, False), "no positive row in test"),
    "no negative in test": (lambda d: _one_class(d, 2, True), "no negative row in test"),
    "one test group": (_one_test_group, "positives in 1 test groups, at least 10 needed"),
    "looks beyond every chain": (lambda d: _far(d, TOKENS), "no positive row in test (0 rows"),
    "looks behind every chain": (lambda d: _far(d, -500), "no positive row in test (0 rows"),
    "constant features": (
        lambda d: replace(d, states=np.full_like(d.states, 3.0)),
        "every row has the same score",
    ),
}


@pytest.mark.parametrize("case", INSUFFICIENT)
def test_data_that_cannot_answer_is_called_insufficient(case: str) -> None:
    change, why = INSUFFICIENT[case]
    result = _judge(change(_sound()))
    assert result.verdict == "insufficient data"
    assert result.why.startswith(why)
    assert result.p is None and result.p_corrected is None
    assert result.difference_low_simultaneous is None
    assert all(math.isfinite(value) for value in _numbers(result).values())


@pytest.mark.parametrize(
    ("case", "split"),
    [
        ("no positive in test", "test"),
        ("no negative in test", "test"),
        ("looks beyond every chain", "test"),
        ("constant features", "test"),
        ("constant features", "train"),
        ("no positive in train", "train"),
    ],
)
def test_what_cannot_be_measured_has_a_reason_and_never_a_stand_in(case: str, split: str) -> None:
    """0.5 for an AUROC, 0 for a recall or a lead would look like findings."""
    result = _judge(INSUFFICIENT[case][0](_sound()))
    found = {"train": result.train, "test": result.test}[split]
    assert found.auroc.value is None and found.auroc.reason
    assert found.balanced_accuracy.value is None and found.balanced_accuracy.reason
    assert found.recall_at_1pct_fpr.value is None and found.recall_at_1pct_fpr.reason
    if split == "test":
        assert result.auroc_interval is None
        assert not {0.0, 0.5} & {
            value
            for name, value in _numbers(result).items()
            if (name.startswith("test_") or "difference" in name) and name != "test_prevalence"
        }


ERRORS: dict[str, tuple[Callable[[Data], Data], str]] = {
    "nan in a training row": (
        lambda d: _changed(d, np.flatnonzero(d.side == 0)[5:6], np.nan),
        "states: row 5, feature 2: a value that is not finite",
    ),
    "infinity in a training row": (
        lambda d: _changed(d, np.flatnonzero(d.side == 0)[5:6], np.inf),
        "states: row 5, feature 2: a value that is not finite",
    ),
    "nan in a test row": (
        lambda d: _changed(d, np.flatnonzero(d.side == 2)[:1], np.nan),
        "resid.0, horizon 4: 1 of 1800 scores are not finite",
    ),
    "no training row": (
        lambda d: replace(d, side=np.full(len(d.side), 2)),
        "states: no row with a positive weight",
    ),
    "tokens of a chain on two sides": (
        lambda d: replace(d, side=np.arange(len(d.side)) % 3),
        "group 0: in split 0 and in split 2",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_data_that_is_wrong_is_refused_by_name(case: str) -> None:
    change, message = ERRORS[case]
    with pytest.raises(AuguryError) as caught:
        _judge(change(_sound()))
    assert message in str(caught.value)
    assert isinstance(caught.value, DataError)


def test_nan_in_rows_that_nobody_uses_changes_nothing() -> None:
    data = _sound()
    unused = replace(data, use=np.arange(len(data.use)) % 7 != 0)
    # The sound second column of the fit uses them in train; so they are test rows.
    at = np.flatnonzero(~unused.use & (data.side == 2))
    assert _judge(_changed(unused, at, np.nan)) == _judge(unused)


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(DataError, match=r"1 group\(s\) in 4 trace"):
        three_way(["a"] * 4, [1, 0, 2, 1], seed=0)


def test_duplicated_columns_give_the_scores_of_the_single_ones() -> None:
    data = _sound()
    single = _judge(data)
    twice = _judge(replace(data, states=np.repeat(data.states, 2, axis=1)))
    assert twice.verdict == single.verdict == "predictive beyond baselines"
    assert twice.auroc.value == pytest.approx(single.auroc.value, abs=0.01)


def test_more_features_than_rows_are_fitted_and_judged_on_other_groups() -> None:
    rng = np.random.default_rng(1)
    data = _sound()
    wide = rng.normal(size=(len(data.labels), 700)).astype(np.float32)
    few = data.use & ((data.side != 0) | (data.chain % 12 == 0))
    result = _judge(replace(data, states=wide, use=few))
    assert result.train.rows < wide.shape[1]
    assert result.verdict == "not predictive"
    assert all(math.isfinite(value) for value in _numbers(result).values())
    assert abs(result.auroc.value - 0.5) < 0.15
