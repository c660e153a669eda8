from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.errors import ConfigError, DataError
from augury.plain import difference_table, fingerprint, json_text, plain

leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)  # fmt: skip
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
mappings = st.dictionaries(st.text(max_size=4), trees, max_size=4)


@settings(max_examples=60, deadline=None)
@given(trees)
def test_plain_data_is_already_plain_and_survives_json(value: Any) -> None:
    assert plain(value) == value
    assert json.loads(json_text(value)) == value


@settings(max_examples=60, deadline=None)
@given(mappings)
def test_the_fingerprint_ignores_the_order_of_keys(value: dict[str, Any]) -> None:
    turned = dict(reversed(list(value.items())))
    assert fingerprint(turned) == fingerprint(value)


@settings(max_examples=60, deadline=None)
@given(trees, trees)
def test_fingerprints_are_equal_exactly_when_the_canonical_texts_are(one: Any, two: Any) -> None:
    same = json_text(one, sort_keys=True) == json_text(two, sort_keys=True)
    assert (fingerprint(one) == fingerprint(two)) is same


def test_the_fingerprint_of_a_value_never_changes_between_versions() -> None:
    assert fingerprint({}) == "dc7048f8f8747f561349cde127705c16"


def test_tuples_count_as_lists_and_paths_as_text() -> None:
    one = fingerprint({"b": (1, 2.5), "a": Path("x")})
    assert one == fingerprint({"a": "x", "b": [1, 2.5]})


def test_what_looks_alike_but_is_not_has_another_fingerprint() -> None:
    values = [1, 1.0, True, "1", None, "", [], {}, [1], [[1]], {"a": 1}, {"a": "1"}, 0, 0.0, -0.0]
    assert len({fingerprint(value) for value in values}) == len(values)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused_with_their_place(number: float) -> None:
    with pytest.raises(ConfigError, match=r"value\.a\[1\]\.b: the number"):
        fingerprint({"a": [0, {"b": number}]})
    with pytest.raises(DataError, match=r"value\.a\[1\]\.b: the number"):
        plain({"a": [0, {"b": number}]})


def test_numpy_scalars_sets_and_paths_have_a_plain_form() -> None:
    value = {"i": np.int32(3), "f": np.float32(0.5), "b": np.bool_(True), "s": {"b", "a"}}
    assert plain(value) == {"i": 3, "f": 0.5, "b": True, "s": ["a", "b"]}
    assert [type(leaf) for leaf in plain(value).values()] == [int, float, bool, list]  # type: ignore[attr-defined]


def test_what_has_no_plain_form_is_named() -> None:
    with pytest.raises(TypeError, match=r"value\.x: ndarray"):
        plain({"x": np.zeros(2)})
    with pytest.raises(DataError, match=r"value\.x: the key 3"):
        plain({"x": {3: 4}})


@settings(max_examples=60, deadline=None)
@given(mappings)
def test_equal_mappings_have_an_empty_table(value: dict[str, Any]) -> None:
    assert difference_table(value, dict(value)) == ""


def test_the_table_lists_exactly_the_leaves_that_differ() -> None:
    stored = {"probes": {"l2": 1, "sites": ["a"]}, "same": 1, "gone": None}
    now = {"probes": {"l2": 2, "sites": ["a", "b"]}, "same": 1, "new": {"x": 1}}
    assert difference_table(stored, now).splitlines() == [
        "  probes.l2: stored 1 / now 2",
        "  probes.sites: stored ['a'] / now ['a', 'b']",
        "  gone: stored None / now (absent)",
        "  new.x: stored (absent) / now 1",
    ]


def test_a_long_or_hostile_value_cannot_break_the_table() -> None:
    table = difference_table({"a": "x" * 200 + "1"}, {"a": "x" * 200 + "2\n\x1b[2J"})
    assert len(table.splitlines()) == 1
    assert len(table) < 200
    assert "\x1b" not in table
