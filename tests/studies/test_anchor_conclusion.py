"""The conclusion on sentences quotes no score that was picked on test."""

from __future__ import annotations

from augury.evaluate.group_scores import GroupResult
from augury.evaluate.score import Score
from augury.rollouts.planted import TOGETHER
from augury.studies.thought_anchors.conclusion import (
    conclude_states,
    conclude_target,
    states_line,
)
from augury.studies.thought_anchors.planted_report import planted_line

EXPLAINED, BEYOND = "predictive, explained by text", "predictive beyond baselines"
FEW = "insufficient data"


def judged(
    predictor: str, score: float, verdict: str, target: str = "anchor_binary"
) -> GroupResult:
    return GroupResult(
        target=target,
        predictor=predictor,
        metric="average precision",
        score=Score(score),
        by_group=(score,) * 12,
        groups=12,
        rows=120,
        interval=None,
        baselines={},
        best_baseline=None,
        p=0.01,
        p_corrected=0.02,
        verdict=verdict,
        why="",
    )


def test_the_quoted_probe_is_the_one_that_was_best_on_validation() -> None:
    results = [judged("linear@resid.1", 0.9, EXPLAINED), judged("linear@resid.2", 0.5, EXPLAINED)]
    held = {"linear@resid.1": 0.1, "linear@resid.2": 0.3}
    (line,) = conclude_states(results, "anchor_binary", held).lines
    assert "linear@resid.2" in line and "0.900" not in line


def test_where_probes_add_the_quoted_one_is_the_best_of_these_on_validation() -> None:
    results = [
        judged("linear@resid.1", 0.9, BEYOND),
        judged("linear@resid.2", 0.5, BEYOND),
        judged("linear@resid.3", 0.8, EXPLAINED),
    ]
    held = {"linear@resid.1": 0.1, "linear@resid.2": 0.3, "linear@resid.3": 0.9}
    found = conclude_states(results, "anchor_binary", held)
    assert "2 of 3 probes" in found.headline and "linear@resid.2" in found.lines[0]


def test_the_quoted_rung_is_the_one_that_was_best_on_validation() -> None:
    results = [judged("tags", 0.9, EXPLAINED), judged("text", 0.5, EXPLAINED)]
    (line,) = conclude_target(results, "anchor_binary", {"tags": 0.1, "text": 0.3}).lines
    assert line.startswith("best on validation text")


def test_the_answer_names_the_targets_on_which_states_add() -> None:
    held = {"linear@embed": 0.1}

    def told(*verdicts: str) -> str:
        targets = ("anchor_binary", "importance_abs")
        return states_line(
            [
                conclude_states([judged("linear@embed", 0.5, verdict, target)], target, held)
                for target, verdict in zip(targets, verdicts, strict=True)
            ]
        )

    assert told(EXPLAINED, BEYOND).endswith("on importance_abs.")
    assert told(EXPLAINED, EXPLAINED).endswith("any of anchor_binary, importance_abs.")
    assert told(EXPLAINED, FEW).endswith(
        "not shown to add to text and place on any of anchor_binary."
    )
    assert told(FEW, FEW).startswith("Too few problems")


def test_what_was_planted_is_told_of_the_estimator_that_is_studied() -> None:
    row = {
        "kind": TOGETHER,
        "estimator": "counterfactual",
        "auroc": 0.7,
        "auroc_interval": {"low": 0.6, "high": 0.8},
        "p": 0.01,
        "problems": 15,
    }
    kind = {**row, "kind": "corrections", "auroc": 0.9}
    other = {**row, "estimator": "resampling", "auroc": 0.8, "auroc_interval": None, "p": 0.002}
    told = planted_line([kind, row, other], "counterfactual")
    assert told.endswith(
        "counterfactual importance 0.700 [0.600, 0.800], p 0.01; resampling 0.800, p 0.002"
    )
    assert "resampling importance 0.800, p 0.002; counter" in planted_line(
        [row, other], other["estimator"]
    )
    assert planted_line([kind, row], "resampling") == ""
