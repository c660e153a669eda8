"""Sentences that are known to matter: are they found, and only they?"""

from __future__ import annotations

import numpy as np
import pytest

from augury.rollouts.planted import PlantedResult, judge_planted
from augury.traces.sources.math_rollouts import LabelledChunk, RolloutProblem
from augury.traces.trace import Origin

PROBLEMS, SENTENCES = 24, 12


def problem(
    number: int, effect: float, *, everywhere: float = 0.0, loud: int | None = None
) -> RolloutProblem:
    """Sentence 5 is a slip that lowers accuracy by `effect`; 3 is written while a slip is open.

    The importance of `loud` is larger than any other.
    """
    rng = np.random.default_rng(number)
    chunks = []
    for n in range(SENTENCES):
        marks = {5: ("noticed slip",), 3: ("slip open",)}.get(n, ())
        helps = float(rng.normal(0, 0.05)) + everywhere * n / SENTENCES - effect * (n == 5)
        helps = 0.9 if n == loud else float(np.clip(helps, -1, 1))
        chunks.append(
            LabelledChunk(
                text=f"{n}.",
                tags=("unknown",),
                accuracy=0.5,
                importance={"counterfactual": -helps, "resampling": helps, "forced": 0.0},
                different=0.5,
                overdetermined=0.5,
                truth=marks,
            )
        )
    return RolloutProblem(
        number, "p", "", "", "1", "", "", "1", True, tuple(chunks), Origin("test"), "", "file"
    )


def by_kind(results: list[PlantedResult]) -> dict[tuple[str, str], PlantedResult]:
    return {(r.kind, r.estimator): r for r in results}


def test_a_planted_slip_is_important_and_harmful_under_both_signs() -> None:
    found = by_kind(judge_planted([problem(n, 0.4) for n in range(PROBLEMS)]))
    for estimator in ("counterfactual", "resampling"):
        slip = found["slips, to be noticed", estimator]
        assert slip.sentences == slip.problems == PROBLEMS
        assert slip.auroc > 0.95 and slip.p < 0.002 and slip.size > 4 * slip.size_unmarked
        assert slip.signed_interval is not None and slip.signed_interval.high < -0.3
        other = found["others while a slip is open", estimator]
        assert other.p > 0.01 and abs(other.signed) < 0.1
    assert not any(estimator == "forced" for _, estimator in found), "all 0: nothing was measured"


@pytest.mark.parametrize("loud", [3, 10])
def test_neither_open_slips_nor_far_sentences_are_what_a_slip_is_compared_with(loud: int) -> None:
    found = judge_planted([problem(n, 0.4, loud=loud) for n in range(PROBLEMS)])
    assert by_kind(found)["slips, to be noticed", "resampling"].auroc > 0.95


def test_slips_without_effect_are_found_at_the_nominal_rate() -> None:
    p = [
        by_kind(judge_planted([problem(100 * seed + n, 0.0) for n in range(12)]))[
            "slips, to be noticed", "resampling"
        ].p
        for seed in range(40)
    ]
    assert 0 <= np.mean(np.array(p) < 0.05) < 0.15
    assert np.median(p) == pytest.approx(0.5, abs=0.2)


def test_a_trend_along_the_solution_is_no_effect() -> None:
    found = judge_planted([problem(n, 0.0, everywhere=0.8) for n in range(PROBLEMS)])
    slip = by_kind(found)["slips, to be noticed", "resampling"]
    assert 0.3 < slip.auroc < 0.7, "neighbours on both sides keep the place out of it"
