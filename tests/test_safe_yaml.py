from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from augury.errors import ConfigError, MissingInput
from augury.safe_yaml import parse_yaml, read_yaml, yaml_text

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalarlike = st.from_regex(r"[-+0-9.eExo_:~a-f#&*!%@`'\" \n?|>{}\[\],]{0,8}", fullmatch=True)
leaves = (
    st.none() | st.booleans() | st.integers(-(10**60), 10**60)
    | st.floats(allow_nan=False, allow_infinity=False) | text | scalarlike
)  # fmt: skip
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(trees)
@example({"a": ["no", "yes", "on", "~", "null", "1e3", "010", "0x1f", "+.inf", ".nan", "1_000"]})
@example(["2001-01-01", "12:30:00", "<<", "=", "- a", "a: b", "# c", "\x00", "\x85", "\u2028"])
@example({"<<": 1, "": 2, "true": 3, "1": 4})
@example(1e-05)
@example("\ufeff")
def test_plain_data_survives_writing_and_reading(value: Any) -> None:
    again = parse_yaml(yaml_text(value), source="x").value
    assert again == value
    assert repr(again) == repr(value)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("1e-3", 0.001),
        ("1e3", 1000.0),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        (".5", 0.5),
        ("1_000", "1_000"),
        ("2001-01-01", "2001-01-01"),
        ("12:30", "12:30"),
        ("~", None),
        ("True", True),
        ("'1'", "1"),
        ("[1, a, [b]]", [1, "a", ["b"]]),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(written: str, value: object) -> None:
    assert parse_yaml(f"key: {written}", source="x").value == {"key": value}


REFUSED = {
    "a: &x 1\nb: *x": "x:1: a: an anchor or alias",
    "a: 1\nb: !!python/object:os.system []": "x:2: b: the tag",
    "a: !!str 1": "x:1: a: the tag",
    "a: 1\nb:\n  c: 1\n  c: 2": "x:4: b.c: a duplicate key",
    "a: 1\n---\nb: 2": "x:2: a second document",
    "%YAML 1.1\n---\na: yes": "a %YAML directive",
    "%TAG ! tag:x,2000:\n---\na: 1": "a %TAG directive",
    "a: .inf": "x:1: a: the number '.inf'",
    "a: 1e999": "x:1: a: the number '1e999'",
    "1: a": "x:1: the key '1'",
    "? [1]\n: 2": "x:1: the key made of several values",
    "a: [1, 2": "x:",
    "a: b: c": "x:1: mapping values are not allowed here",
    "a: 1\n\tb: 2": "x:2",
    'a: "\\ud800"': "x:1: a: a lone surrogate",
    "a: 1\x00": "unacceptable character",
    "[" * 1000: "too many levels",
    "{a: " * 40 + "1" + "}" * 40: "too many levels",
    "x" * (1 << 20) + "x": "more than 1 MiB",
}


@pytest.mark.parametrize("bad", REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_plain_data_is_refused_with_its_line_and_key(bad: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(bad, source="x")
    assert REFUSED[bad] in str(caught.value)
    assert caught.value.code == 78
    assert len(str(caught.value)) < 300


def test_thirty_two_levels_are_allowed() -> None:
    value: object = 1
    for _ in range(32):
        value = [value]
    assert parse_yaml(yaml_text(value), source="x").value == value
    with pytest.raises(ConfigError, match="too many levels"):
        parse_yaml(yaml_text([value]), source="x")


def test_more_values_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augury.safe_yaml.MAX_VALUES", 5)
    assert parse_yaml("[1, 2, 3, 4]", source="x").value == [1, 2, 3, 4]
    with pytest.raises(ConfigError, match="too many values; expected at most 5"):
        parse_yaml("[1, 2, 3, 4, 5]", source="x")


def test_a_bomb_is_refused_at_once() -> None:
    bomb = "a: &a [x, x]\n" + "\n".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]" for i in range(20)
    )
    for text in (bomb, "[" * 500_000, "- " * 400_000):
        start = time.process_time()
        with pytest.raises(ConfigError):
            parse_yaml(text, source="x")
        assert time.process_time() - start < 2


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["a", ":", " ", "\n", "- ", "[", "]", "{", "}", ",", "&x", "*x", "!", "%", "---", "...",
             "'", '"', "\\", "\\u", "\\x", "|", ">", "#", "?", "1", ".", "e", "\t", "@", "`", "~",
             "%YAML", "%TAG", "é", "\u2028", "<<", "\r"]
        ),
        max_size=14,
    ).map("".join)
)  # fmt: skip
def test_any_text_gives_a_value_or_a_config_error(text: str) -> None:
    try:
        document = parse_yaml(text, source="x")
    except ConfigError:
        return
    assert () in document.places


def test_every_key_and_item_knows_its_line() -> None:
    document = parse_yaml("a: 1\nb:\n  - x\n  - c: 2\n", source="f.yaml")
    assert document.places == {
        (): "f.yaml",
        ("a",): "f.yaml:1",
        ("b",): "f.yaml:2",
        ("b", 0): "f.yaml:3",
        ("b", 1): "f.yaml:4",
        ("b", 1, "c"): "f.yaml:4",
    }


def test_a_file_must_exist_be_small_and_be_utf8(tmp_path: Path) -> None:
    for absent in (tmp_path / "absent.yaml", tmp_path):
        with pytest.raises(MissingInput, match="expected a YAML file"):
            read_yaml(absent)
    (tmp_path / "big.yaml").write_text("# " + "x" * (1 << 20))
    with pytest.raises(ConfigError, match="more than 1 MiB"):
        read_yaml(tmp_path / "big.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.yaml:2: a byte that is not UTF-8: 0xe9"):
        read_yaml(tmp_path / "latin.yaml")
    (tmp_path / "empty.yaml").write_text("# nothing yet\n")
    assert read_yaml(tmp_path / "empty.yaml").value is None
