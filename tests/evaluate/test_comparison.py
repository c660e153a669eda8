from __future__ import annotations

import numpy as np

from augury.evaluate.comparison import compare_with_baselines
from augury.evaluate.intervals import effective_groups, interval, simultaneous_lower
from augury.evaluate.opened import open_cell
from augury.evaluate.resample import Resampler


def _compare(cells):
    opened = [open_cell(cell) for cell in cells]
    resampler = Resampler([each.rows.groups for each in opened], draws=300, seed=0)
    return compare_with_baselines(opened, resampler, alpha=0.05)


def test_a_probe_that_is_its_own_baseline_leads_by_exactly_nothing(make_world) -> None:
    world = make_world(0)
    scores = world.smooth() + 3 * world.labels
    noisy = scores + 0.5 * world.smooth()
    (found,) = _compare([world.cell(scores, baselines={"itself": scores, "noisier": noisy})])
    itself = found["itself"]
    assert itself.difference == 0.0
    assert (itself.interval.low, itself.interval.high) == (0.0, 0.0)
    assert itself.difference_low_simultaneous == 0.0


def test_pairing_makes_the_interval_of_a_difference_shorter_than_unpaired_ones(make_world) -> None:
    world = make_world(1)
    scores = world.smooth() + 2 * world.labels
    close = scores + 0.05 * world.smooth()
    rival = world.smooth() + 2 * world.labels
    (found,) = _compare([world.cell(scores, baselines={"close": close, "rival": rival})])
    widths = {name: b.interval.high - b.interval.low for name, b in found.items()}
    assert widths["close"] < widths["rival"] / 2


def test_the_simultaneous_bound_lies_below_the_single_one_and_sinks_with_the_grid(
    make_world,
) -> None:
    world = make_world(2)
    flat = {"prevalence": np.zeros(len(world.labels))}
    cells = [
        world.cell(world.smooth() + world.labels, site=f"resid.{k}", baselines=flat)
        for k in range(8)
    ]
    alone, grid = _compare(cells[:1])[0]["prevalence"], _compare(cells)[0]["prevalence"]
    assert alone.difference == grid.difference
    assert grid.difference_low_simultaneous < alone.difference_low_simultaneous
    assert alone.difference_low_simultaneous < alone.difference


def test_cells_without_enough_data_take_no_part_in_the_bounds(make_world) -> None:
    world = make_world(3)
    sound = world.cell(world.smooth() + world.labels)
    poor = world.cell(world.smooth(), horizon=8, labels=world.labels & (world.traces < 45))
    found, left_out = _compare([sound, poor])
    assert found["prevalence"] == _compare([sound])[0]["prevalence"]
    assert left_out["prevalence"].difference_low_simultaneous is None
    assert left_out["prevalence"].interval is None
    assert left_out["prevalence"].ap.value is not None


def test_a_grid_of_probes_no_better_than_their_baseline_seldom_beats_it(make_world) -> None:
    claims = 0
    for seed in range(24):
        world = make_world(seed, n_traces=60, length=50)
        truth = 2 * world.smooth(0.8)
        labels = truth + 1.5 * world.rng.logistic(size=len(truth)) > 6
        rival = {"rival": truth + world.smooth(0.8)}
        cells = [
            world.cell(truth + world.smooth(0.8), f"resid.{k}", 4, rival, labels) for k in range(8)
        ]
        claims += any(b["rival"].difference_low_simultaneous > 0 for b in _compare(cells))
    # Binomial(24, 0.06) exceeds 5 with probability 0.003.
    assert claims <= 5


def test_interval_and_bound_rest_on_the_effective_number_of_groups(make_world) -> None:
    world = make_world(4)
    labels = world.labels | ((world.traces % 8 == 0) & (world.rng.random(len(world.labels)) < 0.3))
    opened = open_cell(world.cell(world.smooth() + labels, labels=labels))
    resampler = Resampler([opened.rows.groups], draws=300, seed=0)
    (found,) = compare_with_baselines([opened], resampler, alpha=0.05)
    probe, flat = resampler.of(opened.rows), resampler.of(opened.baselines["prevalence"])
    n = effective_groups(opened.rows.labels, opened.rows.groups)
    assert n < 0.7 * opened.test.positive_groups
    ratio = np.array([np.log(probe.ap.value / flat.ap.value)])
    drawn = np.log(probe.ap_draws / flat.ap_draws)[:, None]
    bound = flat.ap.value * np.expm1(simultaneous_lower(ratio, drawn, n_groups=n))[0]
    assert found["prevalence"].difference_low_simultaneous == bound
    lead, leads = probe.ap.value - flat.ap.value, probe.ap_draws - flat.ap_draws
    left, groups = probe.ap_left - flat.ap_left, opened.test.positive_groups
    right = interval(lead, leads, groups, effective=n, left=left)
    assert found["prevalence"].interval == right
    assert right != interval(lead, leads, groups, left=left)
    assert right != interval(lead, leads, groups, effective=n)
