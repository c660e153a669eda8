"""From settings to distinct configs: what is the same after all names are resolved runs once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augury.config import Config, build_config, read_document
from augury.errors import ConfigError, MissingInput
from augury.models.load import depth_of
from augury.models.named import models_in
from augury.plain import fingerprint, shown
from augury.runs.adopt import stage_keys
from augury.safe_yaml import Document
from augury.studies.registry import find_study
from augury.studies.shipped import named_file
from augury.studies.study import Study
from augury.sweeps.joint_sites import JointSites
from augury.sweeps.layer_names import names_layers, resolve_layers
from augury.sweeps.spec import Setting, SweepSpec, overrides_of
from augury.sweeps.work import stages_of

__all__ = ["Distinct", "Member", "PlannedRun", "Resolver"]


@dataclass(frozen=True)
class PlannedRun:
    """One run of the study, for all configs that differ from it in nothing but their sites."""

    id: str
    """12 hex digits of the study and the config; the name of the run."""

    config: Config
    """Of the study, complete."""

    keys: Mapping[str, str]
    """By stage of the study that the sweep runs, in order: what its outputs are determined by."""

    @property
    def key(self) -> str:
        """What the results are determined by."""
        return list(self.keys.values())[-1]


@dataclass(frozen=True)
class Member:
    """One config of a sweep."""

    id: str
    """12 hex digits of the study and the resolved config."""

    setting: Setting
    """The first setting that gives it."""

    sites: frozenset[str]
    """Which of the sites of its run are its own; empty where a config names none."""

    run: PlannedRun
    """Where its results are."""


@dataclass(frozen=True)
class Distinct:
    """The configs of one stage, and how many settings led to them."""

    members: tuple[Member, ...]
    crossed: int
    """Settings."""

    @property
    def duplicates(self) -> int:
        """Settings that give a config which an earlier one gave."""
        return self.crossed - len(self.members)

    @property
    def runs(self) -> tuple[PlannedRun, ...]:
        """Each once, in order."""
        return tuple({member.run.id: member.run for member in self.members}.values())


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
        self._document: Document | None = None
        self._depth: dict[str, int] = {}
        self._configs: dict[tuple[tuple[str, str], ...], Config] = {}
        self._runs: dict[str, PlannedRun] = {}

    def config(self, setting: Setting) -> Config:
        """The complete config, layers by number.

        Raises:
            ConfigError: It is none of the study's; the setting is named.
        """
        keys = overrides_of(self.spec, setting)
        try:
            if names_layers(keys):
                # the model stands in the config, which is none before its layers have numbers
                provisional = self._load(resolve_layers(keys, 1))
                keys = resolve_layers(keys, self._depth_of(provisional))
            return self._load(keys)
        except ConfigError as error:
            told = ", ".join(f"{name}={label}" for name, label in setting.items()) or "no axis"
            where = f"setting {told}: {error.where}"
            raise ConfigError(
                where, found=error.found, expected=error.expected, fix=error.fix
            ) from error

    def distinct(self, settings: Iterable[Setting], sites: JointSites) -> Distinct:
        """The configs of the settings, each once, in the order in which they first come.

        A run reads the sites of all configs so far that have its model: the texts are read once for
        all of them, and predictors without states are fitted once.

        Args:
            settings: Of one stage.
            sites: Of the stages before; those of this one are added.
        """
        known: dict[str, tuple[Setting, Config]] = {}
        crossed = 0
        for setting in settings:
            crossed += 1
            config = self._built(setting)
            known.setdefault(self._identity(config), (setting, config))
        for _, config in known.values():
            sites.add(config)
        members = [
            Member(name, setting, sites.own(config), self._run(sites.joined(config)))
            for name, (setting, config) in known.items()
        ]
        return Distinct(tuple(members), crossed)

    def forget_content(self) -> None:
        """Look anew at the files that configs name: what they hold is part of a run's keys."""
        self._runs.clear()

    def _built(self, setting: Setting) -> Config:
        key = tuple(setting.items())
        if key not in self._configs:
            self._configs[key] = self.config(setting)
        return self._configs[key]

    def _run(self, config: Config) -> PlannedRun:
        name = self._identity(config)
        if name not in self._runs:
            self._runs[name] = PlannedRun(name, config, stage_keys(config, self._stages))
        return self._runs[name]

    def _identity(self, config: Config) -> str:
        return fingerprint([self.study.name, config.model_dump(mode="json")])[:12]

    def _find(self, folder: Path) -> Path:
        name = self.spec.config
        if name is None:
            return self.study.default_config()
        if "\0" in name:
            raise MissingInput("config", found=shown(name), expected="a name or a path")
        return named_file(Path(name), self.study.name, beside=folder)

    def _load(self, keys: dict[str, Any]) -> Config:
        if self._document is None:
            self._document = read_document(self.base)
        config: Config = build_config(self.study.config, self._document, keys)
        return config

    def _depth_of(self, config: Config) -> int:
        model = next(models_in(config), None)
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
