from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from augury.config import Config, dump_yaml, fingerprint, load_config
from augury.errors import ConfigError, MissingInput


class Probes(Config):
    l2: float = 1.0
    """Strength of the penalty."""

    horizons: tuple[int, ...] = (0, 4)
    """Tokens ahead."""

    names: dict[str, str] = Field(default_factory=dict)
    """Any text to any text."""


class Model(Config):
    name: str
    device: Literal["auto", "cpu"] = "auto"


class Near(Config):
    kind: Literal["near"] = "near"
    reach: int = 1


class Far(Config):
    kind: Literal["far"] = "far"
    distance: int = 2


class Whole(Config):
    probes: Probes = Probes(l2=3.0)
    model: Model = Model(name="organism")
    place: Annotated[Near | Far, Field(discriminator="kind")] = Near(reach=5)
    folder: Path = Path("runs")
    parts: tuple[Probes, ...] = ()
    note: str | None = None


def _load(tmp_path: Path, text: str, overrides: Sequence[str] = ()) -> Whole:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(Whole, path, overrides)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
numbers = st.floats(allow_nan=False, allow_infinity=False)
probes = st.builds(
    Probes,
    l2=numbers,
    horizons=st.lists(st.integers(), max_size=3).map(tuple),
    names=st.dictionaries(texts, texts, max_size=2),
)
wholes = st.builds(
    Whole,
    probes=probes,
    model=st.builds(Model, name=texts),
    place=st.builds(Near, reach=st.integers()) | st.builds(Far),
    parts=st.lists(probes, max_size=2).map(tuple),
    note=st.none() | texts,
)


@settings(max_examples=40, deadline=None)
@given(wholes)
def test_a_dumped_config_loads_as_an_equal_one_with_the_same_fingerprint(
    tmp_path_factory: pytest.TempPathFactory, config: Whole
) -> None:
    again = _load(tmp_path_factory.getbasetemp(), dump_yaml(config))
    assert again == config
    assert fingerprint(again) == fingerprint(config)


def test_without_a_file_the_defaults_hold() -> None:
    assert load_config(Whole, None) == Whole()


def test_comments_order_and_layout_do_not_change_the_fingerprint(tmp_path: Path) -> None:
    one = _load(tmp_path, "probes: {l2: 2, horizons: [1]}\nnote: a\n")
    two = _load(tmp_path, "# why\nnote: 'a'\nprobes:\n  horizons:\n  - 1\n  l2: 2.0 # strong\n")
    assert fingerprint(one) == fingerprint(two)


@pytest.mark.parametrize(
    "override",
    ["probes.l2=2", "probes.horizons=[0]", "probes.names={a: b}", "model.name=x",
     "model.device=cpu", "place.reach=6", "place={kind: far}", "folder=x", "note=x",
     "parts=[{l2: 3}]"],
)  # fmt: skip
def test_every_leaf_changes_the_fingerprint(override: str) -> None:
    assert fingerprint(load_config(Whole, None, [override])) != fingerprint(Whole())


def test_a_part_of_a_section_leaves_the_rest_of_its_default(tmp_path: Path) -> None:
    config = _load(tmp_path, "probes:\n  horizons: [8]\nmodel: {device: cpu}\n")
    assert config.probes == Probes(l2=3.0, horizons=(8,))
    assert config.model == Model(name="organism", device="cpu")


def test_another_kind_of_a_union_takes_nothing_from_the_default(tmp_path: Path) -> None:
    assert _load(tmp_path, "place: {kind: far}").place == Far()
    assert _load(tmp_path, "place: {kind: near}").place == Near(reach=5)


def test_a_mapping_that_is_no_section_replaces_its_default(tmp_path: Path) -> None:
    class Mapped(Config):
        inner: Probes = Probes(names={"a": "b"})

    assert load_config(Mapped, None, ["inner.names={c: d}"]).inner.names == {"c": "d"}


def test_overrides_beat_the_file_and_later_ones_beat_earlier_ones(tmp_path: Path) -> None:
    overrides = ["probes.l2=1e-2", "probes.l2=1e-3", "note=no", "place.reach=7"]
    config = _load(tmp_path, "probes: {l2: 5}\nnote: x\n", overrides)
    assert (config.probes.l2, config.note, config.place) == (0.001, "no", Near(reach=7))
    assert load_config(Whole, None, ["note=a=b"]).note == "a=b"
    assert load_config(Whole, None, ["note=a", "note="]).note is None


def test_an_override_reaches_into_a_section_that_the_file_left_empty(tmp_path: Path) -> None:
    assert _load(tmp_path, "probes:\n", ["probes.horizons=[1]"]).probes.horizons == (1,)


FAULTS: list[tuple[str, list[str], list[str]]] = [
    ("probes:\n  l3: 1", [], ["c.yaml:2: probes.l3: unknown key; expected 'probes.l2'"]),
    ("horizons: [1]", [], ["c.yaml:1: horizons: unknown key; expected 'probes.horizons'"]),
    ("modle: {}", [], ["c.yaml:1: modle: unknown key; expected 'model'"]),
    ("zzzzzz: 1", [], ["unknown key; expected one of: folder, model, note, parts, place, probes"]),
    ("model: {device: gpu}", [], ["c.yaml:1: model.device: 'gpu'; expected 'auto' or 'cpu'"]),
    ("probes: {l2: '1'}", [], ["probes.l2: '1'; expected a valid number"]),
    ("probes: {l2: true}", [], ["probes.l2: True; expected a valid number"]),
    ("probes: {horizons: [1, 2.5]}", [], ["c.yaml:1: probes.horizons.1: 2.5; expected"]),
    ("parts:\n- l2: 1\n- l2: x", [], ["c.yaml:3: parts.1.l2: 'x'"]),
    ("parts:\n- l2: 1\n- l5: 1", [], ["c.yaml:3: parts.1.l5: unknown key; expected 'parts.1.l2'"]),
    ("place: {kind: far, reach: 1}", [], ["c.yaml:1: place.reach: unknown key"]),
    ("place: {kind: nowhere}", [], ["c.yaml:1: place: {'kind': 'nowhere'}", "'near', 'far'"]),
    ("- 1", [], ["c.yaml: a list; expected a mapping"]),
    ("", ["model.device=gpu"], ["override model.device: 'gpu'; expected 'auto' or 'cpu'"]),
    ("", ["probs.l2=1"], ["override probs.l2: probs: unknown key; expected 'probes'"]),
    ("", ["probes.l2.x=1"], ["override probes.l2.x: probes.l2: {'x': 1}"]),
    ("note: x", ["note.y=1"], ["override note.y: note is 'x'; expected a section"]),
    ("", ["note=*x"], ["override note:1: an anchor or alias"]),
    ("", ["note"], ["override 'note': no 'key=value'"]),
    ("", [".a=1"], ["override '.a=1': no 'key=value'"]),
    ("note: [\n", [], ["c.yaml:2: "]),
]


@pytest.mark.parametrize(("text", "overrides", "parts"), FAULTS)
def test_a_fault_is_one_line_with_place_key_found_and_expected(
    tmp_path: Path, text: str, overrides: list[str], parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text, overrides)
    message = str(caught.value)
    assert all(part in message for part in parts), message
    assert len(message.splitlines()) == 1
    assert caught.value.code == 78


def test_a_missing_value_is_told_at_its_section(tmp_path: Path) -> None:
    class Needy(Config):
        model: Model

    (tmp_path / "c.yaml").write_text("\nmodel:\n  device: cpu\n")
    with pytest.raises(ConfigError, match=r"c\.yaml:2: model\.name: missing; expected a value"):
        load_config(Needy, tmp_path / "c.yaml")
    with pytest.raises(ConfigError, match="defaults: model: missing"):
        load_config(Needy, None)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, "probes:\n  l3: 1\nmodel: {device: gpu}\n", ["note=3"])
    lines = str(caught.value).splitlines()
    assert "3 faults" in lines[0]
    assert [line.split(": ")[0].strip()[-9:] for line in lines[1:3]] == ["/c.yaml:2", "/c.yaml:3"]
    assert lines[3].startswith("  override note: 3; expected a valid string")


def test_hostile_text_in_a_config_is_escaped_and_shortened(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, 'model: {device: "\\x1b[2J\\u202e' + "x" * 5000 + '"}\n"\\nkey": 1')
    assert len(caught.value.found) < 600
    assert not set("\x1b\u202e") & set(str(caught.value))


def test_a_missing_file_is_a_missing_input(tmp_path: Path) -> None:
    with pytest.raises(MissingInput):
        load_config(Whole, tmp_path / "absent.yaml")


def test_configs_are_frozen_closed_finite_and_documented() -> None:
    with pytest.raises(ValidationError):
        Whole().note = "x"
    with pytest.raises(ValidationError):
        Probes.model_validate({"l3": 1})
    with pytest.raises(ValidationError):
        Probes(l2=float("nan"))
    assert Probes.model_fields["l2"].description == "Strength of the penalty."


def test_a_rule_of_the_class_is_told_in_its_own_words(tmp_path: Path) -> None:
    from pydantic import field_validator

    class Ruled(Config):
        share: float = 0.5

        @field_validator("share")
        @classmethod
        def _between(cls, value: float) -> float:
            if not 0 < value < 1:
                raise ValueError("a share between 0 and 1")
            return value

    with pytest.raises(ConfigError, match=r"override share: 2; expected a share between 0 and 1"):
        load_config(Ruled, None, ["share=2"])


def test_the_module_loads_no_heavy_library() -> None:
    source = Path(__file__).parents[1] / "src"
    code = (
        "import sys, augury.config;"
        "heavy = {'torch', 'transformers', 'numpy', 'polars', 'rich', 'sklearn'};"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    environment: dict[str, Any] = {"PYTHONPATH": str(source)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
