"""The base model below an adapter, through the same weights: nothing is loaded a second time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from augury.errors import ConfigError
from augury.models.checks import Check
from augury.models.load import LoadedModel
from augury.models.read import read_rows
from augury.models.reference import distance

__all__ = ["adapter_moves_states", "base_of"]


@contextmanager
def base_of(loaded: LoadedModel) -> Iterator[LoadedModel]:
    """The base model of an adapted one, inside the block; afterwards the adapter is back.

    Both share every weight, so inside the block `loaded` computes what the base computes. The
    base's identity is that of the same model loaded without an adapter.

    Raises:
        ConfigError: There is no adapter, or one that cannot be switched off without a trace.
    """
    _check_removable(loaded)
    try:
        with loaded.model.disable_adapter():
            yield replace(
                loaded,
                config=loaded.config.model_copy(update={"adapter": None}),
                identity={**loaded.identity, "adapter": ""},
            )
    finally:
        # peft takes an adapter that is switched on again for one that shall be trained.
        loaded.model.requires_grad_(False)


def adapter_moves_states(
    loaded: LoadedModel, ids: Sequence[np.ndarray], sites: Sequence[str], *, packed: bool
) -> Check:
    """The adapter changes the states of some planned site; else its twin would be a copy.

    Args:
        loaded: The adapted model.
        ids: A sample of texts, int32 [token] each.
        sites: What is planned.
        packed: How the job batches; see `read_rows`.
    """
    rows = [np.arange(len(one)) for one in ids]
    ours = read_rows(loaded, ids, rows, sites, packed=packed)
    with base_of(loaded) as base:
        theirs = read_rows(base, ids, rows, sites, packed=packed)
    moved = {site: distance(ours[site], theirs[site]) for site in sites}
    site = max(moved, key=lambda name: moved[name])
    detail = f"by up to {moved[site]:.2g}, at {site}" if moved[site] > 0 else "not at any site"
    return Check("adapter moves states", moved[site] > 0, None, None, detail)


def _check_removable(loaded: LoadedModel) -> None:
    """Refuse adapters that leave something of theirs in the base model when they are off."""
    configs = getattr(loaded.model, "peft_config", None)
    if not configs:
        raise ConfigError(
            "model.adapter",
            found="none on this model",
            expected="a LoRA adapter",
            fix="name one, or read without twins",
        )
    for config in configs.values():
        for field, harmless in (("bias", "none"), ("layer_replication", None)):
            if (value := getattr(config, field, harmless)) not in (harmless, []):
                raise ConfigError(
                    f"adapter {loaded.config.adapter}: {field}",
                    found=f"{value!r}, which changes the base model itself",
                    expected=repr(harmless),
                    fix="read the adapter and the base model in two jobs",
                )
