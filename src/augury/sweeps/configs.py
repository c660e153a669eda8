"""From settings to distinct configs: what is the same after all names are resolved runs once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from augury.config import Config
from augury.errors import ConfigError
from augury.models.load import ModelConfig, depth_of
from augury.plain import fingerprint
from augury.runs.adopt import stage_keys
from augury.runs.paths import expand
from augury.studies.registry import find_study
from augury.studies.study import Study
from augury.sweeps.layer_names import names_layers, resolve_layers
from augury.sweeps.spec import Setting, SweepSpec, overrides_of
from augury.sweeps.work import stages_of

__all__ = ["Distinct", "Member", "Resolver", "distinct"]


@dataclass(frozen=True)
class Member:
    """One config of a sweep."""

    id: str
    """12 hex digits of the study and the resolved config; the name of its run."""

    setting: Setting
    """The first setting that gives it."""

    config: Config
    """Of the study, complete."""

    keys: Mapping[str, str]
    """By stage of the study that the sweep runs, in order: what its outputs are determined by."""

    @property
    def key(self) -> str:
        """What the results are determined by."""
        return list(self.keys.values())[-1]


@dataclass(frozen=True)
class Distinct:
    """The configs of one stage, and how many settings led to them."""

    members: tuple[Member, ...]
    crossed: int
    """Settings."""

    twins: tuple[tuple[Setting, str], ...]
    """Settings that give a config which an earlier one gave, and its id."""


class Resolver:
    """Builds the config of a setting.

    Args:
        spec: The sweep.
        folder: Of its file; paths of configs start there.
    """

    def __init__(self, spec: SweepSpec, folder: Path) -> None:
        """Find the study and the config below the axes.

        Raises:
            UsageError: There is no such study.
            MissingInput: There is no such config.
        """
        self.spec = spec
        self.study: Study[Any] = find_study(spec.study)
        self.base = self._find(folder)
        self._stages = stages_of(self.study)
        self._depth: dict[str, int] = {}
        self._members: dict[tuple[tuple[str, str], ...], Member] = {}

    def config(self, setting: Setting) -> Config:
        """The complete config, layers by number.

        Raises:
            ConfigError: It is none of the study's; the setting is named.
        """
        keys = overrides_of(self.spec, setting)
        named = {key for key, value in keys.items() if names_layers(value)}
        try:
            if named:
                plain = {key: value for key, value in keys.items() if key not in named}
                depth = self._depth_of(self._load(plain))
                keys = {key: resolve_layers(value, depth) for key, value in keys.items()}
            return self._load(keys)
        except ConfigError as error:
            told = ", ".join(f"{name}={label}" for name, label in setting.items()) or "no axis"
            where = f"setting {told}: {error.where}"
            raise ConfigError(
                where, found=error.found, expected=error.expected, fix=error.fix
            ) from error

    def member(self, setting: Setting) -> Member:
        """The config of a setting, with its id; made once."""
        known = tuple(setting.items())
        if known not in self._members:
            config = self.config(setting)
            identity = fingerprint([self.study.name, config.model_dump(mode="json")])[:12]
            keys = stage_keys(config, self._stages)
            self._members[known] = Member(identity, setting, config, keys)
        return self._members[known]

    def _find(self, folder: Path) -> Path:
        name = self.spec.config
        if name is None:
            return self.study.default_config()
        shipped = self.study.default_config().with_name(f"{name}.yaml")
        return shipped if "/" not in name and shipped.is_file() else folder / name

    def _load(self, keys: dict[str, Any]) -> Config:
        overrides = [f"{key}={json.dumps(value)}" for key, value in keys.items()]
        config: Config = self.study.read_config(self.base, overrides)
        return config

    def _depth_of(self, config: Config) -> int:
        model = next(_models_in(config), None)
        if model is None:
            raise ConfigError(
                "layers by their place",
                found="no model in the config that could tell how many it has",
                expected="numbers, such as resid.16",
            )
        key = fingerprint([model.name, model.revision])
        if key not in self._depth:
            self._depth[key] = depth_of(model)
        return self._depth[key]


def distinct(resolver: Resolver, settings: Iterable[Setting]) -> Distinct:
    """The configs of the settings, each once, in the order in which they first come."""
    members: dict[str, Member] = {}
    twins: list[tuple[Setting, str]] = []
    for setting in settings:
        member = resolver.member(setting)
        if member.id in members:
            twins.append((setting, member.id))
        else:
            members[member.id] = member
    return Distinct(tuple(members.values()), len(members) + len(twins), tuple(twins))


def _models_in(config: BaseModel) -> Iterator[ModelConfig]:
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, ModelConfig):
            yield value.model_copy(update={"name": expand(value.name, f"{name}.name")})
        elif isinstance(value, BaseModel):
            yield from _models_in(value)
