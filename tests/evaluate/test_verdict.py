from __future__ import annotations

from dataclasses import replace

import pytest

from augury.evaluate.records import BaselineResult, SplitScores
from augury.evaluate.score import Score
from augury.evaluate.verdict import best_baseline, insufficiency, verdict_of

SOUND = SplitScores(100, 20, 12, 15, *[Score(0.5)] * 6)


def _baseline(ap: float, bound: float | None) -> BaselineResult:
    return BaselineResult(Score(ap), Score(0.5), 0.1, None, bound)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (({}, {}, {}), ""),
        (({}, {}, {"positives": 10, "positive_groups": 10}), ""),
        (({"positives": 0}, {}, {}), "no positive row in train"),
        (({"positives": 0, "rows": 0}, {"positives": 0, "rows": 0}, {}), ""),
        (({}, {"positives": 100}, {}), "no negative row in validation"),
        (({}, {}, {"positives": 0, "rows": 0}), "no positive row in test"),
        (({}, {}, {"positives": 9}), "9 positive test rows, at least 10 needed"),
        (({}, {}, {"positive_groups": 9}), "positives in 9 test groups, at least 10 needed"),
    ],
)
def test_too_little_data_is_named(changes, reason: str) -> None:
    found = insufficiency(*(replace(SOUND, **change) for change in changes))
    assert found.startswith(reason) and bool(found) == bool(reason)


@pytest.mark.parametrize(
    ("lack", "p", "bounds", "verdict"),
    [
        ("one group", 0.001, (0.1, 0.1), "insufficient data"),
        ("", None, (0.1, 0.1), "insufficient data"),
        ("", 0.051, (0.1, 0.1), "not predictive"),
        ("", 0.05, (0.1, 0.1), "predictive beyond baselines"),
        ("", 0.05, (0.1, 0.0), "predictive, explained by text"),
        ("", 0.05, (-0.1, 0.1), "predictive, explained by position"),
        ("", 0.05, (-0.1, -0.1), "predictive, explained by text"),
        ("", 0.05, (0.1, None), "predictive, explained by text"),
    ],
)
def test_the_rule_gives_one_verdict_from_the_closed_list(lack, p, bounds, verdict: str) -> None:
    baselines = {"position": _baseline(0.2, bounds[0]), "text": _baseline(0.3, bounds[1])}
    assert verdict_of(lack, p, baselines, alpha=0.05).text == verdict


def test_the_best_baseline_is_the_highest_that_is_defined() -> None:
    undefined = BaselineResult(Score.undefined("no positive row"), Score(0.5), None, None, None)
    assert best_baseline({"a": _baseline(0.1, 0), "b": _baseline(0.2, 0)}) == "b"
    assert best_baseline({"a": undefined}) is None
