"""Sites of many configs, read together: one pass over the texts serves every layer.

The sites of a config are its `reading.sites`, in every study that reads.
"""

from __future__ import annotations

from augury.config import Config
from augury.models.named import models_in
from augury.models.sites import sites_in_order
from augury.plain import fingerprint

__all__ = ["JointSites"]


class JointSites:
    """The sites that a sweep's configs name, by model."""

    def __init__(self) -> None:
        self._named: dict[str, set[str]] = {}

    def add(self, config: Config) -> None:
        """Take in the sites of a config."""
        self._named.setdefault(_model_key(config), set()).update(self.own(config))

    def own(self, config: Config) -> frozenset[str]:
        """The sites that a config names itself; none where it leaves them to the study."""
        return frozenset(getattr(getattr(config, "reading", None), "sites", ()))

    def joined(self, config: Config) -> Config:
        """The config with the sites of all that have its model and name some."""
        if not self.own(config):
            return config
        sites = sites_in_order(self._named[_model_key(config)])
        reading: Config = config.reading  # type: ignore[attr-defined]
        return config.model_copy(update={"reading": reading.model_copy(update={"sites": sites})})


def _model_key(config: Config) -> str:
    return fingerprint([model.model_dump(mode="json") for model in models_in(config)])
