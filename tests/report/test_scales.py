from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.errors import DataError
from augury.report.scales import Axis, Scale, horizon_axis, open_scale, site_axis, unit_scale


def test_lag_stands_beside_the_horizon_with_the_other_sign() -> None:
    axis = horizon_axis([-8, 0, 16])
    assert axis.names == ("\u22128\n(+8)", "0\n(0)", "+16\n(\u221216)")
    assert axis.ticks == (-8, 0, 16) and "lag = \u2212h" in axis.label


@pytest.mark.parametrize("horizons", [[], [4, 0], [4, 4]])
def test_horizons_that_do_not_rise_are_refused(horizons: list[int]) -> None:
    with pytest.raises(DataError, match="strictly increasing"):
        horizon_axis(horizons)


def test_an_axis_needs_a_name_for_every_tick() -> None:
    with pytest.raises(DataError, match="one name each"):
        Axis("site", (0.0, 1.0), ("a",))


def test_sites_keep_their_order() -> None:
    assert site_axis(["embed", "resid.10", "resid.2"]).names == ("embed", "resid.10", "resid.2")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=8), st.sampled_from([None, 0.0, 0.5])
)
def test_a_scale_holds_every_value(values: list[float | None], low: float | None) -> None:
    scale = open_scale("x", values, low=low)
    for value in values:
        if value is not None:
            assert scale.low - 1e-9 <= value <= scale.high + 1e-9
    if low is not None:
        assert scale.low <= low


def test_small_scores_get_a_small_scale_and_large_ones_end_at_one() -> None:
    assert open_scale("ap", [0.011, 0.043], low=0.0) == Scale("ap", 0.0, 0.045)
    assert open_scale("auroc", [0.6, 0.93], low=0.5) == Scale("auroc", 0.5, 1.0)


def test_values_above_the_expected_end_are_never_cut_off() -> None:
    scale = open_scale("loss", [0.5, 6.9], low=0.0)
    assert scale.high >= 6.9


def test_a_value_under_chance_widens_the_scale() -> None:
    assert open_scale("auroc", [0.31, 0.9], low=0.5).low <= 0.31


@pytest.mark.parametrize("ends", [(1.0, 1.0), (1.0, 0.0), (0.0, math.nan), (-math.inf, 0.0)])
def test_limits_must_be_finite_and_in_order(ends: tuple[float, float]) -> None:
    with pytest.raises(DataError, match="the lower one first"):
        Scale("x", *ends)


def test_fractions_are_clipped_at_the_limits() -> None:
    scale = Scale("x", 1.0, 3.0, "nats")
    assert [scale.fraction(v) for v in (0.0, 1.0, 1.5, 3.0, 9.0)] == [0, 0, 0.25, 1, 1]
    assert scale.label == "x (nats)" and unit_scale("y").label == "y"
