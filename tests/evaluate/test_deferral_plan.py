from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from augury.errors import DataError
from augury.evaluate.deferral import Objective, defer
from augury.evaluate.deferral_plan import plan_deferrals, plan_facts
from augury.evaluate.predictions import Predictions
from augury.plain import json_text


@pytest.fixture
def rows() -> Predictions:
    """Two kinds of row whose scores are on different scales: 100 + x, and x."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(80), 20)
    labels = rng.random(1600) < 0.3
    kind = np.where(groups % 2 == 0, "high", "low")
    scores = labels * 2 + rng.normal(size=1600) + 100 * (kind == "high")
    split = np.where(groups < 40, 1, 2)
    return Predictions(labels, groups, groups, split, {"probe": scores}, {}, "x", tuple(kind))


def test_each_kind_gets_thresholds_of_its_own_scale(rows: Predictions) -> None:
    objective = Objective("budget", 0.2)
    apart = plan_deferrals(rows, "probe", objective)
    assert [each.name for each in apart.groups] == ["high", "low"]
    assert apart.groups[0].thresholds.negative_to > 90 > apart.groups[1].thresholds.positive_from
    shared = plan_deferrals(replace(rows, by=()), "probe", objective)
    assert apart.test.error.value < shared.test.error.value - 0.05


def test_the_summary_counts_rows_and_test_rows_choose_nothing(rows: Predictions) -> None:
    plan = plan_deferrals(rows, "probe", Objective("error", 0.05))
    assert plan.test.rows == 800 == sum(each.test.rows for each in plan.groups)
    assert plan.test.deferred == sum(each.test.deferred for each in plan.groups)
    flipped = replace(rows, labels=np.where(rows.split == 2, ~rows.labels, rows.labels))
    other = plan_deferrals(flipped, "probe", Objective("error", 0.05))
    assert [e.thresholds for e in other.groups] == [e.thresholds for e in plan.groups]
    low = (np.array(rows.by) == "low") & (rows.split == 2)
    again = defer(rows.labels[low], rows.scores["probe"][low], plan.groups[1].thresholds)
    assert replace(plan.groups[1].test, error_interval=None) == again


def test_the_facts_are_plain_and_hold_shares_and_counts(rows: Predictions) -> None:
    facts = plan_facts(plan_deferrals(rows, "probe", Objective("budget", 0.1)))
    assert json_text(facts)
    high = facts["groups"]["high"]
    assert high["t_neg"] <= high["t_pos"] and high["meets_objective"]
    test = high["test_projection"]
    assert test["accepted"] + test["deferred"] == test["rows"] == 400
    wrong = test["false_positive"] + test["false_negative"]
    assert test["accepted_error"] == wrong / test["accepted"]
    assert test["accepted_error_low"] < test["accepted_error"] < test["accepted_error_high"]


def test_a_kind_without_validation_rows_is_named(rows: Predictions) -> None:
    by = np.where(rows.groups == 79, "rare", "often")
    with pytest.raises(DataError, match="kind 'rare': no validation row"):
        plan_deferrals(replace(rows, by=tuple(by)), "probe", Objective("budget", 0.1))
