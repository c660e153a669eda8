"""Controls, halves, paired effects, draws: the arithmetic behind a causal claim."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from augury.causal.beyond import beyond_draws
from augury.causal.controls import match_controls
from augury.causal.draws import matched_site_draws, orthogonal_directions, random_directions
from augury.causal.gates import Capability, GateLimits, broken, gates
from augury.causal.paired import paired_effects
from augury.causal.selection import halves, split_effects
from augury.causal.verdict import Arm, ArmState, conclude
from augury.errors import DataError


def test_controls_stand_in_the_same_stratum_as_near_as_can_be_and_serve_once() -> None:
    found = match_controls(
        [10, 11, 50, 90],
        ["a", "a", "b", "a"],
        [12, 10, 49, 300, 51],
        ["a", "a", "a", "a", "b"],
        furthest=20,
    )
    assert found.event.tolist() == [0, 1, 2]
    # Greedy would give event 0 its own position 10 and be right; the total of 10-10, 11-12 is 1.
    assert found.control.tolist() == [1, 0, 4]
    assert found.distance.tolist() == [0, 1, 1]
    assert found.unmatched == (3,)


def test_matching_does_not_depend_on_the_order_of_the_events() -> None:
    rng = np.random.default_rng(0)
    events, others = rng.integers(0, 200, 40), rng.integers(0, 200, 60)
    order = rng.permutation(40)
    one = match_controls(events.tolist(), [0] * 40, others.tolist(), [0] * 60, furthest=30)
    two = match_controls(events[order].tolist(), [0] * 40, others.tolist(), [0] * 60, furthest=30)
    assert len(one.event) == len(two.event) and one.distance.sum() == two.distance.sum()
    assert len(set(one.control.tolist())) == len(one.control)


def test_halves_part_no_group_and_do_not_depend_on_what_else_is_there() -> None:
    groups = [f"g{n % 200}" for n in range(400)]
    half = halves(groups, seed=1)
    for name in set(groups):
        assert len({half[i] for i, own in enumerate(groups) if own == name}) == 1
    assert 130 < int((half == 0).sum()) < 270
    assert (halves(groups, seed=2) != half).any()
    assert halves(groups[7:20], seed=1).tolist() == half[7:20].tolist()


def test_selection_never_sees_the_half_that_is_reported() -> None:
    rng = np.random.default_rng(3)
    groups = [f"g{n}" for n in range(40)]
    half = halves(groups, seed=0)
    values = rng.standard_normal((40, 3))
    values[half == 0, 1] -= 5
    values[half == 1, 2] -= 5
    found = split_effects(["a", "b", "c"], values, groups, half)
    assert found.strongest(["a", "b", "c"], 1) == ("b",)
    np.testing.assert_allclose(found.report.mean, values[half == 1].mean(axis=0))
    np.testing.assert_allclose(found.selection, values[half == 0].mean(axis=0))
    assert found.report.p_corrected[1] > 0.05 > found.report.p_corrected[2]


def test_nothing_that_adds_is_selected() -> None:
    values = np.tile([1.0, -1.0], (20, 1))
    groups = [f"g{n}" for n in range(20)]
    found = split_effects(["up", "down"], values, groups, halves(groups, seed=0))
    assert found.strongest(["up", "down"], 2) == ("down",)


def test_sign_flips_agree_with_the_t_test_and_pay_for_many_columns() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((60, 40))
    values[:, 0] += 0.35
    found = paired_effects(values, np.arange(60), draws=4000)
    wanted = stats.ttest_1samp(values, 0).pvalue
    np.testing.assert_allclose(found.p, wanted, atol=0.03)
    assert found.p_corrected[0] > 5 * found.p[0]
    assert (found.p_corrected >= found.p - 1e-12).all()


def test_null_p_values_are_uniform_and_the_corrected_one_keeps_its_level() -> None:
    rng = np.random.default_rng(1)
    single, corrected = [], []
    for n in range(200):
        found = paired_effects(rng.standard_t(5, (30, 12)), np.arange(30), draws=199, seed=n)
        single.append(found.p[0])
        corrected.append(found.p_corrected.min())
    assert stats.kstest(single, "uniform").pvalue > 0.001
    assert 0.01 < np.mean(np.array(corrected) <= 0.05) < 0.10


def test_pairs_of_one_group_do_not_count_as_independent() -> None:
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(12), 50)
    shared = rng.standard_normal(12)[group]
    values = (shared + 0.05 * rng.standard_normal(600))[:, None]
    found = paired_effects(values, group)
    naive = paired_effects(values, np.arange(600))
    assert found.p[0] > naive.p[0]
    own, other = found.intervals[0], naive.intervals[0]
    assert own is not None and other is not None
    assert own.high - own.low > 4 * (other.high - other.low)


def test_few_groups_give_no_interval_and_no_p() -> None:
    found = paired_effects(np.ones((50, 1)), np.arange(50) % 9)
    assert found.intervals == (None,) and np.isnan(found.p).all()
    with pytest.raises(DataError):
        paired_effects(np.full((3, 1), np.nan), np.arange(3))


def test_random_directions_have_length_one_and_orthogonal_ones_know_the_states() -> None:
    rng = np.random.default_rng(0)
    assert np.linalg.norm(random_directions(7, 20, seed=1), axis=1) == pytest.approx(np.ones(7))
    states = rng.standard_normal((500, 20)) * np.r_[np.full(2, 10.0), np.full(18, 0.1)]
    own = np.eye(20)[0]
    drawn = orthogonal_directions(50, own, states, seed=2)
    np.testing.assert_allclose(drawn @ own, 0, atol=1e-9)
    # The states vary along the second coordinate, so that is where the draws lie.
    assert (np.abs(drawn[:, 1]) > 0.9).mean() > 0.8
    with pytest.raises(DataError, match="variation"):
        orthogonal_directions(2, own, np.tile(own, (5, 1)), seed=0)


def test_drawn_sites_have_the_shape_the_depth_and_the_norm_of_the_chosen_ones() -> None:
    norms = {f"attn.{i}": 1.0 + (i % 3) for i in range(24)}
    norms |= {f"mlp.{i}": 2.0 + (i % 4) for i in range(24)}
    chosen = ("attn.4", "attn.9", "mlp.20")
    found = matched_site_draws(chosen, norms, count=20, seed=0)
    assert len({draw.sites for draw in found}) == 20
    for draw in found:
        assert sum(s.startswith("attn") for s in draw.sites) == 2 and len(draw.sites) == 3
        assert not set(draw.sites) & set(chosen)
    assert max(draw.depth_apart for draw in found) < 9
    assert np.mean([draw.norm_apart for draw in found]) < 0.4
    rng = np.random.default_rng(0)
    anywhere = [abs(rng.integers(24) - own) for own in (4, 9, 20) for _ in range(500)]
    assert np.mean([draw.depth_apart for draw in found]) < 0.75 * np.mean(anywhere)
    with pytest.raises(DataError, match="not chosen"):
        matched_site_draws(("attn.0", "attn.1"), {"attn.0": 1, "attn.1": 1}, count=1, seed=0)


def test_an_effect_is_compared_with_its_draws() -> None:
    clean = np.zeros(40)
    own = np.r_[np.ones(30), np.zeros(10)]
    draws = [np.where(np.arange(40) < k, 1.0, 0.0) for k in range(19)]
    found = beyond_draws(clean, own, draws, np.arange(40))
    assert found.effect == 0.75 and found.p_draws == pytest.approx(1 / 20)
    assert found.moves(sign=1) and not found.moves(sign=-1)
    # A draw that moves it as far in the other direction is as good.
    found = beyond_draws(clean, own, [*draws, -own], np.arange(40))
    assert found.p_draws == pytest.approx(2 / 21) and not found.moves(sign=1)


@pytest.mark.parametrize(
    ("add", "erase", "readable", "verdict"),
    [
        ("moves", "moves", True, "readable and causal"),
        ("moves", "does not move", True, "readable, not shown causal"),
        ("does not move", "moves", True, "readable, not shown causal"),
        ("moves", "breaks", True, "breaks the model"),
        ("breaks", "unclear", True, "breaks the model"),
        ("unclear", "moves", True, "inconclusive"),
        ("moves", "moves", False, "inconclusive"),
    ],
)
def test_the_verdict_needs_both_arms(
    add: ArmState, erase: ArmState, readable: bool, verdict: str
) -> None:
    arms = (Arm("adding", add, "a"), Arm("erasing", erase, "b"))
    assert conclude(readable=readable, arms=arms).verdict == verdict


def test_a_share_of_few_texts_may_fall_by_chance_and_a_broken_model_still_fails() -> None:
    def capability(right: int, total: int, kl: float = 0.0) -> Capability:
        return Capability(np.zeros(total, bool), 2.0, kl, np.arange(total) < right)

    few = gates(capability(14, 20), capability(11, 20), GateLimits())
    many = gates(capability(700, 1000), capability(550, 1000), GateLimits())
    assert not broken(few) and [gate.name for gate in many if not gate.passed] == [
        "fall of accuracy"
    ]
    assert broken(gates(capability(14, 20), capability(1, 20), GateLimits()))
    assert broken(gates(capability(14, 20), capability(14, 20, kl=0.2), GateLimits()))
