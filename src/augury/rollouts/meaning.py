"""Do two sentences mean the same? By a sentence encoder, or by the model's own states.

Raw cosines of a language model's states are near 1 for all pairs of sentences, because all states
share large coordinates. So own states are centred and whitened by the sentences at hand, and the
threshold is a quantile of the similarities of sentences that have nothing to do with each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors.numpy import load_file, save_file

from augury.errors import ConfigError, DataError
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.models.read import read_rows
from augury.models.sentence_encoder import SentenceEncoder, cached_encoder, embed_by_length
from augury.rollouts.config import EncoderConfig, RolloutsConfig
from augury.rollouts.files import Tree
from augury.runs.atomic import replacing
from augury.traces.encode import bos_of, encode

__all__ = [
    "Meaning",
    "encoder_meaning",
    "fit_meaning",
    "read_meaning",
    "resolved_encoder",
    "save_meaning",
]

_OWN = "own"
_PAIRS, _SEED = 20_000, 20_260_101
_FEWEST = 20
"""Sentences to whiten by."""


@dataclass(frozen=True, eq=False, slots=True)
class Meaning:
    """A similarity of sentences, with all that decides it."""

    embed: Any
    """texts -> rows [text, hidden]."""

    threshold: float
    """Below it, two sentences mean different things."""

    how: Mapping[str, object]
    """What it is, for the record."""

    mean: Float[np.ndarray, " hidden"] | None = None
    whitening: Float[np.ndarray, "hidden hidden"] | None = None

    def vectors(self, texts: Sequence[str]) -> Float[np.ndarray, "text hidden"]:
        """Unit vectors; the cosine of two texts is their product."""
        rows = np.asarray(self.embed(texts), dtype=np.float64)
        if self.mean is not None and self.whitening is not None:
            rows = (rows - self.mean) @ self.whitening
        return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))

    def similar(self, sentence: str, others: Sequence[str]) -> Float[np.ndarray, " other"]:
        """Cosine of each of the others with the sentence; 1 for the same words."""
        return self.similarities([(sentence, others)])[0]

    def similarities(
        self, of: Sequence[tuple[str, Sequence[str]]]
    ) -> list[Float[np.ndarray, " other"]]:
        """`similar` of several sentences, every text embedded once."""
        distinct = dict.fromkeys(text for one, others in of for text in (one, *others))
        vector = dict(zip(distinct, self.vectors(list(distinct)), strict=True)) if distinct else {}
        return [
            np.array([1.0 if o == one else float(vector[o] @ vector[one]) for o in others])
            for one, others in of
        ]


def resolved_encoder(config: EncoderConfig, *, on_server: bool) -> EncoderConfig:
    """The encoder that will be used, by name: `auto` is looked up on this machine.

    Raises:
        ConfigError: Own states of a model that runs elsewhere.
    """
    name = (cached_encoder() or _OWN) if config.name == "auto" else config.name
    if name == _OWN and on_server:
        raise ConfigError(
            "encoder.name",
            found="the states of a model behind a server, which cannot be read",
            expected="a sentence encoder",
            fix="name one, e.g. encoder.name=sentence-transformers/all-MiniLM-L6-v2",
        )
    return config.model_copy(update={"name": name})


def fit_meaning(
    config: RolloutsConfig,
    encoder: EncoderConfig,
    loaded: LoadedModel | None,
    sentences: Mapping[int, Sequence[str]],
) -> Meaning:
    """The similarity for these rollouts.

    Args:
        config: Of the rollouts.
        encoder: As `resolved_encoder` gives it.
        loaded: The model, for its own states.
        sentences: Of each problem, the distinct ones: of its solution and of its rollouts.

    Raises:
        DataError: Too few sentences, or one problem alone, to calibrate own states by.
    """
    if encoder.name != _OWN:
        return encoder_meaning(encoder)
    assert loaded is not None
    site = encoder.site or f"resid.{loaded.depth // 2}"
    states = _OwnStates(loaded, config.prompt.prefill, site, encoder.pooling)
    fitted = _whitened(Meaning(states, 0.0, {}), sentences)
    threshold = round(_unrelated(fitted, sentences, encoder.unrelated), 6)
    how = {
        "kind": "own states",
        "model": config.model.model_dump(mode="json"),
        "site": site,
        "pooling": encoder.pooling,
        "behind": config.prompt.prefill,
        "whitened by": sum(map(len, sentences.values())),
        "unrelated": encoder.unrelated,
        "threshold": threshold,
    }
    return replace(fitted, threshold=threshold, how=how)


def encoder_meaning(encoder: EncoderConfig) -> Meaning:
    """The similarity by a sentence encoder.

    Raises:
        MissingInput: It is not there.
    """
    found = SentenceEncoder(encoder.name, encoder.revision)
    how: dict[str, object] = {
        "kind": "sentence encoder",
        "name": encoder.name,
        "revision": encoder.revision,
        "identity": found.identity,
        "threshold": encoder.threshold,
    }
    return Meaning(found, encoder.threshold, how)


def save_meaning(tree: Tree, meaning: Meaning) -> None:
    """Keep mean and whitening of own states; a sentence encoder has none."""
    if meaning.mean is None or meaning.whitening is None:
        return
    arrays = {"mean": meaning.mean, "whitening": meaning.whitening}
    with replacing(tree.encoder) as path:
        save_file({name: np.ascontiguousarray(each) for name, each in arrays.items()}, path)


def read_meaning(tree: Tree, how: Mapping[str, Any] | None) -> Meaning:
    """The similarity that a finished set of rollouts was judged by.

    Args:
        tree: Where it lies.
        how: What `rollouts.json` says of the encoder.

    Raises:
        DataError: The set is not finished.
        MissingInput: The encoder or the model is not there.
    """
    if how is None:
        raise DataError(
            str(tree.about), found="rollouts that are not finished", fix="run augury rollouts again"
        )
    if how["kind"] == "sentence encoder":
        encoder = EncoderConfig(
            name=how["name"], revision=how["revision"], threshold=how["threshold"]
        )
        return encoder_meaning(encoder)
    loaded = load_model(ModelConfig(**how["model"]))
    states = _OwnStates(loaded, how["behind"], how["site"], how["pooling"])
    arrays = load_file(tree.encoder)
    return Meaning(states, how["threshold"], how, arrays["mean"], arrays["whitening"])


class _OwnStates:
    """The state behind a sentence, read as the beginning of a solution."""

    def __init__(self, loaded: LoadedModel, lead: str, site: str, pooling: str) -> None:
        self._loaded, self._lead, self._site, self._pooling = loaded, lead, site, pooling

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        encoded = [self._ids(text) for text in texts]
        # Texts of one length may differ in where the sentence begins.
        found: dict[int, np.ndarray] = {}
        for first in sorted({first for _, first in encoded}):
            some = [n for n, (_, begins) in enumerate(encoded) if begins == first]
            rows = embed_by_length([encoded[n][0] for n in some], partial(self._read, first=first))
            found.update(zip(some, rows, strict=True))
        return np.stack([found[n] for n in range(len(texts))])

    def _ids(self, text: str) -> tuple[list[int], int]:
        whole = self._lead + text
        encoding = encode(whole, self._loaded.tokenizer, [(len(self._lead), len(whole))])
        ids = [int(number) for number in encoding.ids]
        bos = bos_of(self._loaded.tokenizer, "auto", ids)
        first = int((encoding.ends > len(self._lead)).argmax())
        if not len(ids) or encoding.ends[-1] <= len(self._lead):
            raise DataError("sentence", found=repr(text), expected="something to read")
        return [*bos, *ids], len(bos) + first

    def _read(self, ids: np.ndarray, first: int) -> np.ndarray:
        length = ids.shape[1]
        kept = np.arange(length - 1 if self._pooling == "last" else first, length)
        states = read_rows(self._loaded, list(ids), [kept] * len(ids), [self._site])[self._site]
        by_text = states.float().reshape(len(ids), len(kept), -1)
        return np.asarray(by_text.mean(dim=1).cpu().to(torch.float64).numpy())


def _whitened(raw: Meaning, sentences: Mapping[int, Sequence[str]]) -> Meaning:
    """Centred and whitened by (covariance + mean variance)^(-1/2) of the distinct sentences."""
    texts = list(dict.fromkeys(each for own in sentences.values() for each in own))
    if len(texts) < _FEWEST or len(sentences) < 2:
        raise DataError(
            "encoder",
            found=f"{len(texts)} sentences of {len(sentences)} problems",
            expected=f"at least {_FEWEST}, of two problems, to calibrate own states by",
            fix="take more problems, or name a sentence encoder",
        )
    rows = np.asarray(raw.embed(texts), dtype=np.float64)
    mean = rows.mean(axis=0)
    values, basis = np.linalg.eigh(np.cov(rows.T))
    # Whitened to the end, directions that hardly vary would drown the others in their noise.
    whitening = basis / np.sqrt(np.maximum(values, 0.0) + values.mean()) @ basis.T
    return replace(raw, mean=mean, whitening=whitening)


def _unrelated(meaning: Meaning, sentences: Mapping[int, Sequence[str]], quantile: float) -> float:
    """Quantile of the similarities of sentences with other words, of different problems."""
    problems = [number for number, own in sentences.items() for _ in own]
    texts = [each for own in sentences.values() for each in own]
    distinct = list(dict.fromkeys(texts))
    row = {text: n for n, text in enumerate(distinct)}
    vectors = meaning.vectors(distinct)
    rng = np.random.default_rng(_SEED)
    one, other = rng.integers(0, len(texts), (2, _PAIRS))
    pairs = [
        (row[texts[a]], row[texts[b]])
        for a, b in zip(one, other, strict=True)
        if problems[a] != problems[b] and texts[a] != texts[b]
    ]
    left, right = (vectors[[pair[side] for pair in pairs]] for side in (0, 1))
    return float(np.quantile(np.einsum("ij,ij->i", left, right), quantile))
