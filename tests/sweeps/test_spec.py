from __future__ import annotations

from pathlib import Path

import pytest
from tests.sweeps.toy import write_sweep

from augury.errors import ConfigError, MissingInput, UsageError
from augury.sweeps.configs import Resolver
from augury.sweeps.joint_sites import JointSites
from augury.sweeps.layer_names import resolve_layers
from augury.sweeps.spec import cross, overrides_of, read_spec, sweep_file

STAGE_1 = """
axes:
  setting: {a: {label: a}, b: {label: b}, c: {label: c}, d: {label: d}}
  target:
    p85: {percentile: 85}
    p90: {percentile: 90}
    p95: {percentile: 95}
    p85-all: {percentile: 86}
    p90-all: {percentile: 91}
    p95-all: {percentile: 96}
    size: {percentile: 1}
    signed: {percentile: 2}
  strength: [1.0, 2.0, 3.0]
  reading.pooling: [mean, last]
  layer:
    mid: {reading.sites: [resid.mid]}
    q1: {reading.sites: [resid.q1]}
    q2: {reading.sites: [resid.q2]}
    q3: {reading.sites: [resid.q3]}
set: {reading.rows: spans}
"""


def _resolver(path: Path) -> Resolver:
    return Resolver(read_spec(path), path.parent)


def test_two_names_of_one_layer_are_one_config_and_one_reading_serves_all_layers(
    tmp_path: Path,
) -> None:
    resolver = _resolver(write_sweep(tmp_path, STAGE_1))
    found = resolver.distinct(cross(resolver.spec), JointSites())
    assert (found.crossed, len(found.members), found.duplicates) == (768, 576, 192)
    # the organism has six blocks: q1, mid = q2 and q3 are 1, 3 and 4
    assert {site for member in found.members for site in member.sites} == {
        "resid.1",
        "resid.3",
        "resid.4",
    }
    assert len(found.runs) == 768 / 4
    assert len({run.keys["read"] for run in found.runs}) == 2, "one per pooling"


def test_the_last_axis_is_the_fastest_and_an_axis_counts_where_its_condition_holds(
    tmp_path: Path,
) -> None:
    spec = read_spec(
        write_sweep(
            tmp_path,
            """
axes:
  target: {anchors: {label: a}, size: {label: b}}
  percentile: [85, 90]
  seed: [0, 1]
when: {percentile: {target: [anchors]}}
""",
        )
    )
    settings = list(cross(spec))
    assert [tuple(each.values()) for each in settings] == [
        ("anchors", "85", "0"),
        ("anchors", "85", "1"),
        ("anchors", "90", "0"),
        ("anchors", "90", "1"),
        ("size", "0"),
        ("size", "1"),
    ]
    assert overrides_of(spec, settings[2]) == {"label": "a", "percentile": 90, "seed": 0}
    assert overrides_of(spec, settings[4]) == {"label": "b", "seed": 0}


@pytest.mark.parametrize(
    ("depth", "blocks"),
    [(6, [0, 1, 3, 3, 4, 5]), (32, [0, 8, 16, 16, 24, 31]), (40, [0, 10, 20, 20, 30, 39])],
)
def test_layers_have_the_numbers_of_their_places(depth: int, blocks: list[int]) -> None:
    names = ["first", "q1", "q2", "mid", "q3", "last"]
    found = [resolve_layers(f"resid.{name}", depth) for name in names]
    assert found == [f"resid.{block}" for block in blocks]
    assert resolve_layers({"a": ["attn.mid", "attn.q2", "final"]}, depth) == {
        "a": [f"attn.{blocks[2]}", "final"]
    }
    assert resolve_layers(["mid", "resid.mids", 3], depth) == ["mid", "resid.mids", 3]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("axes: {seed: [1, 1]}", "axis 'seed': values must be distinct"),
        ("axes: {seed: []}", "axis 'seed': values must be distinct and not empty"),
        (
            "axes: {seed: [1]}\nwhen: {seed: {target: [a]}}",
            "'target' is no axis that stands before",
        ),
        (
            "axes: {seed: [1], label: [a]}\nwhen: {label: {seed: [2]}}",
            "axis 'seed' has no value '2'",
        ),
        ("axes: {seed: [1]}\nreplicates: [sed]", "replicates: no axis 'sed'"),
        ("axes: {seed: [1]}\nthen: [{keep: 1, axes: {seed: [2]}}]", "'seed' stands in two stages"),
        ("axis: {seed: [1]}", "unknown key"),
    ],
)
def test_a_sweep_that_cannot_be_meant_is_refused_with_its_file(
    text: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=told) as error:
        read_spec(write_sweep(tmp_path, text))
    assert "sweep.yaml" in str(error.value)


def test_a_value_that_the_study_does_not_take_is_told_with_its_setting(tmp_path: Path) -> None:
    resolver = _resolver(write_sweep(tmp_path, "axes: {seed: [0], percentile: [85, high]}"))
    with pytest.raises(ConfigError, match=r"setting seed=0, percentile=high: .*'high'"):
        resolver.distinct(cross(resolver.spec), JointSites())
    with pytest.raises(ConfigError, match="nowhere"):
        _resolver(write_sweep(tmp_path, "axes: {nowhere: [1]}")).config({"nowhere": "1"})


def test_no_study_and_no_config_are_told(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text("study: astrology\n")
    with pytest.raises(UsageError, match="astrology"):
        _resolver(path)
    path.write_text("study: toy\nconfig: ../nowhere\n")
    with pytest.raises(MissingInput, match="nowhere"):
        _resolver(path).config({})


def test_more_configs_than_anybody_runs_are_refused(tmp_path: Path) -> None:
    axes = "\n".join(f"  a{n}: [{', '.join(map(str, range(12)))}]" for n in range(5))
    spec = read_spec(write_sweep(tmp_path, f"axes:\n{axes}\n"))
    with pytest.raises(ConfigError, match="more than 100000 configs"):
        list(cross(spec))


def test_a_shipped_sweep_is_found_by_its_name_and_a_file_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_spec(sweep_file(Path("organism"))).study == "backtracking-lag"
    (tmp_path / "organism").write_text("study: toy\n")
    assert read_spec(sweep_file(Path("organism"))).study == "toy"
    (tmp_path / "mine").mkdir()
    assert sweep_file(Path("mine")) == Path("mine/sweep.yaml")
    with pytest.raises(MissingInput):
        read_spec(sweep_file(Path("../sweeps/organism")))


@pytest.mark.parametrize(
    "name", ["organism", "thought-anchors-organism", "thought-anchors-stage-1"]
)
def test_every_shipped_sweep_gives_configs_that_its_study_takes(name: str) -> None:
    path = sweep_file(Path(name))
    spec = read_spec(path)
    # a model that needs no hub; which one it is decides nothing but the numbers of layers
    for setting in spec.axes.get("setting", {}).values() if "setting" in spec.axes else ():
        setting |= {"model.name": "organism"}
    found = Resolver(spec, path.parent).distinct(cross(spec), JointSites())
    # the first version's own stage 1 had 768, of which 192 were duplicates
    counts = {"organism": (32, 24, 8)}.get(name, (768, 768 - 192, 192))
    assert (found.crossed, len(found.members), len(found.runs)) == counts
