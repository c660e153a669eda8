from __future__ import annotations

import numpy as np
import pytest
from pydantic import TypeAdapter

from augury.errors import UsageError
from augury.evaluate import metrics
from augury.evaluate.calibrate import fit_platt
from augury.evaluate.cells import TEST, VALIDATION, split_rows
from augury.evaluate.contract import judge_grid
from augury.evaluate.intervals import effective_groups, interval
from augury.evaluate.records import CellResult
from augury.evaluate.resample import Resampler

SITES, HORIZONS = range(5), (16, 12, 8, 4, 0, -4, -8)


def _grid(world, scores_of, baselines=None):
    return [
        world.cell(scores_of(site, horizon), f"resid.{site}", horizon, baselines)
        for horizon in HORIZONS
        for site in SITES
    ]


def _judge(cells, **kwargs):
    return judge_grid(cells, draws=200, permutations=199, seed=0, **kwargs)


def test_on_null_grids_with_smooth_scores_hardly_any_grid_has_a_predictive_cell(
    make_world,
) -> None:
    false = 0
    for seed in range(12):
        world = make_world(seed, n_traces=64, length=50, run=4, rate=0.01)
        layers = [world.smooth(0.95) for _ in SITES]
        cells = _grid(world, lambda site, _, now=layers, w=world: now[site] + w.smooth(0.95))
        false += any(r.verdict.startswith("predictive") for r in _judge(cells))
    # Binomial(12, 0.05) exceeds 3 with probability 0.002.
    assert false <= 3


def test_a_planted_cell_is_found_and_no_other(make_world) -> None:
    for seed in range(3):
        world = make_world(seed, n_traces=100)

        def scores(site: int, horizon: int, world=world) -> np.ndarray:
            return world.smooth() + 6 * world.labels * ((site, horizon) == (3, 8))

        results = _judge(_grid(world, scores))
        found = {(r.site, r.horizon) for r in results if r.verdict.startswith("predictive")}
        assert ("resid.3", 8) in found
        assert len(found) <= 2
        best = max(results, key=lambda r: r.average_precision.value)
        assert (best.site, best.horizon, best.lag) == ("resid.3", 8, -8)
        assert best.verdict == "predictive beyond baselines"
        assert best.p_corrected == pytest.approx(1 / 200)


def test_a_probe_that_only_knows_the_position_is_explained_by_position(make_world) -> None:
    world = make_world(0, n_traces=160, length=50)
    position = world.position()
    late = world.rng.random(len(position)) < 0.25 * (position > 0.8)
    baselines = {"prevalence": np.zeros(len(late)), "position": position}
    probe = position + 0.02 * world.smooth(0.0)
    (result,) = _judge([world.cell(probe, labels=late, baselines=baselines)])
    assert result.verdict == "predictive, explained by position"
    assert result.best_baseline == "position"
    assert result.baselines["prevalence"].difference_low_simultaneous > 0
    assert result.difference_low_simultaneous <= 0


def test_a_probe_that_knows_more_than_the_position_goes_beyond_it(make_world) -> None:
    world = make_world(0, n_traces=160, length=50)
    position = world.position()
    late = world.rng.random(len(position)) < 0.25 * (position > 0.8)
    probe = 3 * position + late * 2 + world.smooth(0.5)
    (result,) = _judge([world.cell(probe, labels=late, baselines={"position": position})])
    assert result.verdict == "predictive beyond baselines"
    assert result.difference_low_simultaneous > 0
    assert result.baselines["position"].interval.low > 0


def test_cells_with_too_little_data_are_reported_and_do_not_disturb_the_others(make_world) -> None:
    world = make_world(0)
    sound = world.cell(world.smooth() + 3 * world.labels)
    rare = world.cell(world.smooth(), horizon=40, labels=world.labels & (world.traces < 44))
    empty = world.cell(world.smooth(), horizon=48, labels=world.labels & (world.split < 2))
    alone, together = _judge([sound])[0], _judge([sound, rare, empty])
    assert together[0] == alone
    for result in together[1:]:
        assert result.verdict == "insufficient data"
        assert result.p is None and result.p_corrected is None and result.interval is None
        assert result.difference_low_simultaneous is None
    assert together[2].average_precision.reason == "no positive row"
    assert together[2].auroc.value is None and together[2].f1.value is None


def test_no_test_rows_at_all_is_insufficient_and_not_an_error(make_world) -> None:
    world = make_world(0)
    cell = world.cell(world.smooth())
    object.__setattr__(cell, "split", np.minimum(cell.split, 1))
    (result,) = _judge([cell])
    assert result.verdict == "insufficient data"
    assert result.test.rows == 0 and result.test.prevalence is None


def test_the_reported_scores_are_those_of_the_test_rows(make_world) -> None:
    world = make_world(4)
    cell = world.cell(world.smooth() + 2 * world.labels)
    (result,) = _judge([cell])
    at = cell.split == 2
    labels, scores = cell.labels[at], cell.scores[at]
    assert result.average_precision == metrics.average_precision(labels, scores)
    assert result.auroc == metrics.auroc(labels, scores)
    assert result.recall_at_1pct_fpr == metrics.recall_at_fpr(labels, scores, rate=0.01)
    threshold = result.threshold.value
    assert result.f1 == metrics.f1(labels, scores, threshold=threshold)
    for found, score in (
        (result.interval, result.average_precision),
        (result.auroc_interval, result.auroc),
        (result.f1_interval, result.f1),
    ):
        assert found.low < score.value < found.high
        assert found.n_groups == result.test.positive_groups
    assert result.null_low < result.test.prevalence * 2
    assert result.null_high < result.average_precision.value


def test_results_depend_on_the_arguments_alone(make_world) -> None:
    world = make_world(5)
    cells = [world.cell(world.smooth() + world.labels, site=f"resid.{k}") for k in range(3)]
    assert _judge(cells) == _judge(cells)
    backwards = _judge(cells[::-1])[::-1]
    assert [r.verdict for r in backwards] == [r.verdict for r in _judge(cells)]


def test_any_rising_scale_of_the_scores_gives_the_same_verdict_and_rank_metrics(
    make_world,
) -> None:
    world = make_world(6)
    scores = world.smooth() + 2 * world.labels
    plain, bent = (_judge([world.cell(s)])[0] for s in (scores, np.exp(scores / 2)))
    assert plain.average_precision == bent.average_precision
    assert plain.f1 == bent.f1
    assert plain.p == bent.p and plain.verdict == bent.verdict


def test_threshold_and_calibration_come_from_validation_alone(make_world) -> None:
    world = make_world(8)
    scores = world.smooth() + 2 * world.labels
    moved = np.where(world.split == 2, 3 * scores + 1, scores)
    plain, shifted = _judge([world.cell(scores)])[0], _judge([world.cell(moved)])[0]
    assert plain.threshold == shifted.threshold
    assert plain.calibration == shifted.calibration
    chooser = split_rows(world.cell(scores), VALIDATION)
    assert plain.threshold == metrics.best_f1_threshold(chooser.labels, chooser.scores)
    assert plain.calibration == fit_platt(chooser.labels, chooser.scores)
    assert plain.brier != shifted.brier


def test_too_few_permutations_for_alpha_are_refused(make_world) -> None:
    world = make_world(0)
    cell = world.cell(world.smooth())
    with pytest.raises(UsageError, match="permutations >= 1 / alpha - 1"):
        judge_grid([cell], draws=10, permutations=18, seed=0)
    judge_grid([cell], draws=10, permutations=19, seed=0)


def test_calibration_is_chosen_and_changes_no_verdict(make_world) -> None:
    world = make_world(0)
    cell = world.cell(world.smooth() + 4 * world.labels)
    (platt,), (isotonic,) = (_judge([cell], calibration=kind) for kind in ("platt", "isotonic"))
    assert isotonic.calibration.probabilities != () and platt.calibration.slope > 0
    assert isotonic.brier != platt.brier
    assert (isotonic.p, isotonic.verdict) == (platt.p, platt.verdict)
    again = TypeAdapter(list[CellResult])
    assert again.validate_json(again.dump_json([isotonic, platt])) == [isotonic, platt]


def test_intervals_are_wider_where_a_few_traces_hold_most_events(make_world) -> None:
    world = make_world(7)
    rich = (world.traces % 8 == 0) & (world.rng.random(len(world.labels)) < 0.3)
    cell = world.cell(world.smooth() + world.labels, labels=world.labels | rich)
    (found,) = _judge([cell])
    seed = int(np.random.SeedSequence(0).generate_state(2)[0])
    rows = split_rows(cell, TEST)
    draws = Resampler([rows.groups], draws=200, seed=seed).of(rows)
    n, effective = found.test.positive_groups, effective_groups(rows.labels, rows.groups)
    ap = draws.ap.value, draws.ap_draws, n
    assert found.interval == interval(*ap, effective=effective, left=draws.ap_left)
    assert found.auroc_interval == interval(
        draws.auroc.value, draws.auroc_draws, n, effective=effective, left=draws.auroc_left
    )
    assert found.interval != interval(*ap, left=draws.ap_left)
