"""SweepSpec: the YAML file of a sweep, and the settings that its axes cross to.

study: thought-anchors
config: qwen-14b-correct-full       # a shipped config, or a file beside this one
set: {evaluation.draws: 500}        # on top of it, for every config
axes:
  folds.seed: [0, 1, 2]             # a key of the config, and its values
  target:                           # or names, each of which sets some keys
    anchors: {labels.targets: [anchor_binary]}
    size: {labels.targets: [importance_abs]}
  labels.percentile: [85, 90, 95]
when:
  labels.percentile: {target: [anchors]}    # the axis counts only there
replicates: [folds.seed]            # averaged, never ranked
then:
- keep: 2                           # of each league the best on validation, crossed with more
  axes: {labels.drop_last: [true, false]}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from augury.config import Config, load_config
from augury.errors import ConfigError
from augury.plain import shown
from augury.studies.shipped import named_file

__all__ = [
    "Axes",
    "Setting",
    "SweepSpec",
    "cross",
    "label_of",
    "overrides_of",
    "read_spec",
    "sweep_file",
]

Setting = dict[str, str]
"""Chosen label by axis, in the order of the axes; an axis that does not count is left out."""

Axis = dict[str, dict[str, Any]] | list[Any]
_MOST_CONFIGS = 100_000


class Axes(Config):
    """Axes that are crossed."""

    axes: dict[str, Axis] = Field(default_factory=dict)
    """By the key of the config and its values; or by a name, and by label the keys that it sets."""

    when: dict[str, dict[str, tuple[Any, ...]]] = Field(default_factory=dict)
    """Axes that count only where other axes have one of the given labels."""

    @model_validator(mode="after")
    def _sound(self) -> Axes:
        for name, axis in self.axes.items():
            labels = _labels(axis)
            if not labels or len(set(labels)) < len(labels):
                raise ValueError(f"axis {shown(name)}: values must be distinct and not empty")
        return self


class NextAxes(Axes):
    """A further stage of a sweep."""

    keep: int = Field(ge=1)
    """How many configs of each league of the stage before are crossed with these axes."""


class SweepSpec(Axes):
    """The whole sweep."""

    study: str
    """Name of the study."""

    config: str | None = None
    """A shipped config of the study, or a path from the folder of the sweep's file; the study's
    default, where none is named."""

    set: dict[str, Any] = Field(default_factory=dict)
    """Keys that are set in every config, below the axes."""

    replicates: tuple[str, ...] = ()
    """Axes that repeat a config, as seeds do: their scores are averaged group by group."""

    then: tuple[NextAxes, ...] = ()
    """Further stages; each crosses the shortlist of the one before with axes of its own."""

    @property
    def stages(self) -> tuple[Axes, ...]:
        """The first one, and those behind it."""
        return (self, *self.then)

    @model_validator(mode="after")
    def _names_are_axes(self) -> SweepSpec:
        known: dict[str, list[str]] = {}
        for stage in self.stages:
            again = known.keys() & stage.axes.keys()
            if again:
                raise ValueError(f"axis {shown(min(again))} stands in two stages")
            known |= {name: _labels(axis) for name, axis in stage.axes.items()}
            _check_when(stage, known)
        for name in self.replicates:
            if name not in known:
                raise ValueError(f"replicates: no axis {shown(name)}")
        return self


def sweep_file(named: Path) -> Path:
    """The file that is meant: of that path, in that folder, or the shipped sweep of that name.

    Raises:
        MissingInput: A bare name is neither a file or folder here nor a shipped sweep.
    """
    return named / "sweep.yaml" if named.is_dir() else named_file(named, "sweeps")


def read_spec(path: Path, overrides: Sequence[str] = ()) -> SweepSpec:
    """Read the file of a sweep.

    Raises:
        ConfigError: All faults in one message, with file and line.
        MissingInput: `path` does not exist.
    """
    return load_config(SweepSpec, path, overrides)


def cross(stage: Axes, onto: Sequence[Setting] = ({},)) -> Iterator[Setting]:
    """Every combination, the last axis fastest; the same one may come twice.

    Args:
        stage: Whose axes.
        onto: Settings of the stage before, each of which is crossed with all of it.

    Raises:
        ConfigError: They are more than 100,000.
    """
    made = 0
    for start in onto:
        for setting in _crossed(stage, list(stage.axes), dict(start)):
            made += 1
            if made > _MOST_CONFIGS:
                raise ConfigError(
                    "axes",
                    found=f"more than {_MOST_CONFIGS} configs",
                    expected="fewer",
                    fix="cross less at once, and the rest in a later stage (then)",
                )
            yield setting


def overrides_of(spec: SweepSpec, setting: Setting) -> dict[str, Any]:
    """The keys of the config that a setting sets, with their values."""
    found = dict(spec.set)
    for stage in spec.stages:
        for name, axis in stage.axes.items():
            if name not in setting:
                continue
            at = _labels(axis).index(setting[name])
            if isinstance(axis, list):
                found[name] = axis[at]
            else:
                found |= axis[setting[name]]
    return found


def label_of(value: object) -> str:
    """How a value of an axis is called."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _labels(axis: Axis) -> list[str]:
    return list(axis) if isinstance(axis, dict) else [label_of(value) for value in axis]


def _crossed(stage: Axes, names: list[str], setting: Setting) -> Iterator[Setting]:
    if not names:
        yield setting
        return
    name, *rest = names
    if not _counts(stage.when.get(name, {}), setting):
        yield from _crossed(stage, rest, setting)
        return
    for label in _labels(stage.axes[name]):
        yield from _crossed(stage, rest, {**setting, name: label})


def _counts(condition: Mapping[str, Sequence[Any]], setting: Setting) -> bool:
    return all(
        setting.get(name, "") in [label_of(value) for value in values]
        for name, values in condition.items()
    )


def _check_when(stage: Axes, known: Mapping[str, Sequence[str]]) -> None:
    order = list(known)
    for name, condition in stage.when.items():
        if name not in stage.axes:
            raise ValueError(f"when: no axis {shown(name)} in this stage")
        for other, values in condition.items():
            if other not in known or order.index(other) >= order.index(name):
                raise ValueError(
                    f"when: {shown(other)} is no axis that stands before {shown(name)}"
                )
            unknown = [each for each in map(label_of, values) if each not in known[other]]
            if unknown:
                raise ValueError(f"when: axis {shown(other)} has no value {shown(unknown[0])}")
