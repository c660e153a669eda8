"""Site names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.errors import ConfigError
from augury.models.sites import blocks_needed, deepest_block, parse_site, sites_in_order

NAMES = st.one_of(
    st.sampled_from(["embed", "final", "logits"]),
    st.builds(
        "{}.{}".format,
        st.sampled_from(["query", "key", "attn", "mlp", "resid"]),
        st.integers(0, 99),
    ),
)


@given(NAMES)
@settings(max_examples=50, deadline=None)
def test_a_name_taken_apart_and_put_together_is_itself(name: str) -> None:
    assert str(parse_site(name)) == name


@given(st.lists(NAMES, unique=True, max_size=8), st.randoms())
@settings(max_examples=50, deadline=None)
def test_order_does_not_depend_on_the_order_given(names: list[str], random: object) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert sites_in_order(shuffled) == sites_in_order(names)


def test_sites_come_in_the_order_of_a_forward_pass() -> None:
    mixed = ["logits", "final", "resid.0", "mlp.10", "key.10", "embed", "attn.10", "query.10"]
    expected = ("embed", "resid.0", "query.10", "key.10", "attn.10", "mlp.10", "final", "logits")
    assert sites_in_order(mixed) == expected


@pytest.mark.parametrize(
    "wrong",
    ["resid", "resid.", "resid.-1", "resid.1.2", "embed.0", "final.3", "resid.01", "resid.²", ""],
)
def test_a_name_that_means_nothing_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="no such site"):
        parse_site(wrong)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("residual.3", "resid.3"), ("layer.7", "resid.7"), ("q.2", "query.2"), ("logit", "logits")],
)
def test_the_nearest_name_is_suggested(wrong: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"did you mean '{near}'"):
        parse_site(wrong)


def test_a_block_beyond_the_model_is_refused_and_the_last_one_named() -> None:
    assert parse_site("resid.4", depth=5).block == 4
    with pytest.raises(ConfigError, match=r"resid\.4"):
        parse_site("resid.5", depth=5)


def test_a_site_named_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="named twice"):
        sites_in_order(["embed", "embed"])


def test_only_the_blocks_up_to_the_deepest_site_are_needed() -> None:
    assert (deepest_block(["embed"]), blocks_needed(["embed"])) == (-1, 1)
    assert (deepest_block(["resid.1", "attn.3"]), blocks_needed(["resid.1", "attn.3"])) == (3, 4)
    assert (deepest_block(["resid.1", "key.3"]), blocks_needed(["query.2"])) == (3, 3)
    assert deepest_block(["resid.1", "final"]) is blocks_needed(["final"]) is None
    assert deepest_block(["logits"]) is blocks_needed(["embed", "logits"]) is None
