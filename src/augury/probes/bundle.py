"""A probe that can be given away: weights, and a card that says what they may be used for.

A bundle is a folder with `probe.safetensors` (the weights) and `card.json`. Nothing in it can
run code. The card is written last, so a folder without a card is an unfinished bundle; it holds
the checksum of the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xxhash
from pydantic import Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.numpy import load, save
from scipy.special import expit, logit

from augury.config import Config, difference_table
from augury.errors import ConfigError, DataError, MissingInput, StorageError, UsageError
from augury.probes.linear import LinearProbe
from augury.runs.atomic import write_bytes, write_json

__all__ = [
    "Calibration",
    "LinearProbe",
    "ProbeCard",
    "load_bundle",
    "read_bundle",
    "refuse_other_model",
    "save_bundle",
    "write_bundle",
]

WEIGHTS, CARD = "probe.safetensors", "card.json"
MOST_CARD_BYTES = 4 << 20
_ENVIRONMENT = frozenset({"device", "imported", "torch", "transformers"})
"""Parts of an identity that say where the model ran or was captured, not which model it is."""


class Calibration(Config):
    """Probability = 1 / (1 + exp(-(slope score + intercept)))."""

    slope: float = 1.0
    """Multiplies the score; 1 leaves the log-odds of the fit as they are."""

    intercept: float = 0.0
    """Added after the slope."""

    prevalence: float | None = None
    """Share of positive rows where it was fitted; None = not known."""

    def probability(self, scores: np.ndarray, *, used: float | None = None) -> np.ndarray:
        """Probability of a positive, float64 [row].

        Args:
            scores: Raw scores of the probe [row].
            used: Share of positive rows where the probe is used, if it is another: the odds are
                multiplied by `used / (1 - used)` over those of `prevalence` (Saerens, Latinne and
                Decaestecker 2002). It holds where only the frequency of events differs.

        Raises:
            UsageError: A share is not between 0 and 1, or `prevalence` is not known.
        """
        shift = 0.0
        if used is not None:
            if self.prevalence is None or not (0 < used < 1 and 0 < self.prevalence < 1):
                found = f"fitted at prevalence {self.prevalence}, used at {used:g}"
                raise UsageError("prevalence", found=found, expected="shares between 0 and 1")
            shift = float(logit(used) - logit(self.prevalence))
        raw = np.asarray(scores, dtype=np.float64)
        return np.asarray(expit(self.slope * raw + self.intercept + shift))


class ProbeCard(Config):
    """What a probe reads, predicts, was made from and scored."""

    site: str
    """Where it reads, for example `resid.3`."""

    pooling: Literal["tokens", "last", "mean", "max", "first"] = "tokens"
    """How tokens become a row; `tokens` = every token is a row of its own."""

    horizon: int
    """In tokens; above 0 the probe at token t speaks of token t + horizon."""

    lag: int
    """Always -horizon: the other sign convention, for readers who use it."""

    target: Literal["point", "within", "span", "binary", "continuous", "rank", "classes", "ordinal"]
    """How an event of tokens is matched: an onset exactly at the horizon, an onset up to it, or
    inside. Of a probe on spans: what its values mean."""

    label: str
    """Name of the event."""

    probe: str = "logistic"
    """Kind of the probe: how the weights were fitted."""

    settings: dict[str, Any] = Field(default_factory=dict)
    """Of a probe on spans: the settings of its kind; filled in on saving."""

    members: tuple[str, ...] = ()
    """Of a probe on spans: name of each column of its scores; filled in on saving. Empty = a probe
    on tokens."""

    model_name: str
    """Folder name or hub id of the model that was read."""

    model_revision: str | None = None
    """Revision of it, where one was pinned."""

    model_identity: dict[str, str]
    """Hashes of weights, config, tokenizer and adapter, and the dtype, as the loader gives them."""

    tokenizer_hash: str
    """Of the tokenizer's files."""

    dtype: str
    """Of the hidden states that the probe was fitted on."""

    threshold: float | None
    """Score from which on the event is predicted, chosen on validation; None = not chosen."""

    calibration: Calibration | None = None
    """From score to probability; None = not calibrated."""

    scores: dict[str, Any] = Field(default_factory=dict)
    """The evaluation contract of the cell, as plain JSON."""

    training_data: dict[str, Any] = Field(default_factory=dict)
    """Origin of the traces: dataset, revision, who wrote them, on-policy or not."""

    split_groups: dict[str, str]
    """Hash of the sorted group names of `train`, `validation` and `test`."""

    do_not_use_for: str
    """What the probe must not be used for, in plain words."""

    augury_version: str
    """Version of this package that fitted the probe."""

    weights_checksum: str = ""
    """xxh3-128 of the weights file in hex; filled in on saving."""

    @model_validator(mode="after")
    def _same_sign_twice(self) -> ProbeCard:
        if self.lag != -self.horizon:
            raise ValueError(f"lag is {self.lag}, expected -horizon = {-self.horizon}")
        return self


def save_bundle(folder: Path, probe: LinearProbe, card: ProbeCard) -> Path:
    """Write a bundle; an earlier one in the same folder is replaced.

    Returns:
        The folder.

    Raises:
        DataError: A weight, or a number in the card, is not finite.
        CannotCreate: The folder cannot be written to.
        StorageError: Writing failed half-way.
    """
    weight = np.ascontiguousarray(probe.weight, dtype=np.float32)
    bias = np.array([probe.bias], dtype=np.float64)
    return write_bundle(folder, {"weight": weight, "bias": bias}, card)


def write_bundle(folder: Path, tensors: dict[str, np.ndarray], card: ProbeCard) -> Path:
    """Write the weights of any kind and their card; as `save_bundle`."""
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise DataError(
            f"probe for {folder}", found="weights that are not finite", expected="finite weights"
        )
    data = save(tensors)
    signed = card.model_copy(update={"weights_checksum": xxhash.xxh3_128_hexdigest(data)})
    # an old card beside new weights would be a bundle that lies
    with suppress(OSError):
        (folder / CARD).unlink()
    write_bytes(folder / WEIGHTS, data)
    write_json(folder / CARD, signed.model_dump(mode="json"))
    return folder


def load_bundle(
    folder: Path, *, model_identity: Mapping[str, str] | None = None, force: bool = False
) -> tuple[LinearProbe, ProbeCard]:
    """Read a bundle, and check that it belongs to the model it shall be used on.

    Args:
        folder: As given to `save_bundle`.
        model_identity: Of the loaded model; None skips the comparison. Device and library versions
            are not compared.
        force: Load in spite of another identity.

    Raises:
        MissingInput: The folder or one of its files is not there.
        StorageError: The weights are damaged.
        DataError: The card cannot be read.
        ConfigError: The probe was fitted on another model; the message lists what differs.
    """
    tensors, card = read_bundle(folder, model_identity=model_identity, force=force)
    if card.members:
        raise DataError(
            str(folder),
            found=f"a probe on spans ({card.probe})",
            expected="a probe on tokens",
            fix="load it with load_kind",
        )
    return _probe(folder / WEIGHTS, tensors), card


def read_bundle(
    folder: Path, *, model_identity: Mapping[str, str] | None = None, force: bool = False
) -> tuple[dict[str, np.ndarray], ProbeCard]:
    """Read the weights of any kind and their card, with the checks of `load_bundle`."""
    card = _card(folder / CARD)
    tensors = _tensors(folder / WEIGHTS, card)
    if model_identity is not None and not force:
        refuse_other_model(card, model_identity, where=f"probe {folder}")
    return tensors, card


def refuse_other_model(card: ProbeCard, identity: Mapping[str, str], *, where: str) -> None:
    """Check that a probe was fitted on this model.

    Raises:
        ConfigError: It was not; the message lists what differs.
    """
    table = difference_table(_lasting(card.model_identity), _lasting(identity))
    if table:
        raise ConfigError(
            where,
            found=f"it was fitted on another model:\n{table}\n",
            expected="the model that it was fitted on",
            fix="load that model, or force it if you know why the states agree",
        )


def _lasting(identity: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in identity.items() if name not in _ENVIRONMENT}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise MissingInput(
            str(path),
            found="no such file",
            expected=f"a probe bundle: a folder with {WEIGHTS} and {CARD}",
            fix="name the folder that holds both",
        ) from error
    except OSError as error:
        raise StorageError(str(path), found=str(error.strerror)) from error


def _card(path: Path) -> ProbeCard:
    data = _read(path)
    if len(data) > MOST_CARD_BYTES:
        raise DataError(
            str(path), found=f"{len(data)} bytes", expected=f"at most {MOST_CARD_BYTES}"
        )
    try:
        return ProbeCard.model_validate_json(data)
    except (ValidationError, RecursionError) as error:
        found = str(error)
        if isinstance(error, ValidationError):
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            found = ", ".join(
                f"{'.'.join(map(str, fault['loc'])) or 'card'}: {fault['msg']}" for fault in faults
            )
        raise DataError(str(path), found=found, expected="a probe card") from error


def _tensors(path: Path, card: ProbeCard) -> dict[str, np.ndarray]:
    data = _read(path)
    if xxhash.xxh3_128_hexdigest(data) != card.weights_checksum:
        raise StorageError(
            str(path),
            found="another checksum than the card's",
            expected=card.weights_checksum or "a checksum in the card",
            fix="copy the bundle again from where it was made",
        )
    try:
        return load(data)
    except (SafetensorError, KeyError) as error:
        raise StorageError(str(path), found=str(error), expected="named tensors") from error


def _probe(path: Path, tensors: dict[str, np.ndarray]) -> LinearProbe:
    shapes = {name: f"{array.dtype}{list(array.shape)}" for name, array in tensors.items()}
    weight = tensors.get("weight", np.zeros(0))
    if shapes != {"weight": f"float32[{weight.size}]", "bias": "float64[1]"}:
        found = ", ".join(f"{name} {shape}" for name, shape in sorted(shapes.items()))
        raise StorageError(
            str(path), found=found, expected="weight float32[hidden] and bias float64[1]"
        )
    return LinearProbe(weight, float(tensors["bias"][0]))
