from __future__ import annotations

import json

from augury.evaluate.contract import judge_grid
from augury.evaluate.table import result_row


def _results(world, labels=None):
    sound = world.cell(world.smooth() + 2 * world.labels)
    empty = world.cell(world.smooth(), horizon=-2, labels=world.labels & (world.split < 2))
    return judge_grid([sound, empty], draws=50, permutations=39, seed=0)


def test_every_row_has_the_same_columns_in_the_same_order(make_world) -> None:
    sound, empty = map(result_row, _results(make_world(0)))
    assert list(sound) == list(empty)
    assert len(set(sound)) == len(sound)


def test_values_are_those_of_the_record_and_missing_ones_are_none(make_world) -> None:
    results = _results(make_world(0))
    sound, empty = map(result_row, results)
    assert sound["test_average_precision"] == results[0].average_precision.value
    assert sound["test_average_precision_low"] == results[0].interval.low
    assert sound["val_f1"] == results[0].validation.f1.value
    baseline = results[0].baselines["prevalence"]
    assert sound["baseline_prevalence_difference"] == baseline.difference
    assert (empty["horizon"], empty["lag"]) == (-2, 2)
    assert empty["test_auroc"] is None and empty["p_corrected"] is None


def test_a_row_is_plain_json_without_nan(make_world) -> None:
    for row in map(result_row, _results(make_world(1))):
        assert json.loads(json.dumps(row, allow_nan=False)) == row
