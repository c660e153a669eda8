"""What a model would answer among options whose symbols differ from text to text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float

from augury.activations.batches import plan_batches
from augury.causal.deciding import Deciding
from augury.causal.edits import Edit
from augury.errors import CheckFailed, DataError
from augury.models.load import LoadedModel

__all__ = ["NextTokens", "OptionBench"]

_NO_TOKEN = -1


class OptionBench:
    """Texts that end where one of several symbols is due, read once and asked under any edit.

    Args:
        loaded: A model with its head.
        texts: Token ids of each text; the symbol is the next token. Edits know a text by its place.
        options: Of each text and option, the tokens that its symbol may be.
        batch_tokens: Most tokens read at once, padding included.

    Raises:
        DataError: Not one list of options per text, or an option without a token.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        texts: Sequence[np.ndarray],
        options: Sequence[Sequence[Sequence[int]]],
        *,
        batch_tokens: int = 16384,
    ) -> None:
        self._symbols = _padded(options, len(texts))
        self._batches = [
            Deciding(loaded, [texts[i] for i in batch], np.array(batch))
            for batch in plan_batches([len(ids) for ids in texts], batch_tokens)
        ]

    def log_masses(self, edits: Sequence[Edit] = ()) -> Float[np.ndarray, "text option"]:
        """Log-probability of each option, its tokens together, in nats; edits at the last token.

        Raises:
            CheckFailed: A site was not edited in every batch.
        """
        out = np.zeros(self._symbols.shape[:2])
        for batch in self._batches:
            log_p, made = batch.log_probs(edits)
            if edits and not made.edited:
                raise CheckFailed("options", found="edits that no hook made")
            ids = torch.from_numpy(self._symbols[batch.numbers]).to(log_p.device)
            known = ids != _NO_TOKEN
            flat = log_p.gather(1, ids.clamp_min(0).flatten(1)).reshape(ids.shape)
            mass = flat.masked_fill(~known, -torch.inf).logsumexp(dim=2)
            out[batch.numbers] = mass.double().cpu().numpy()
        return out


class NextTokens:
    """Texts that are read once, and how far edits at their last token change what comes next.

    Args:
        loaded: A model with its head.
        texts: Token ids of each text.
        apart_from: Ids that are taken out of every distribution: an edit that is meant to make the
            model say them takes probability from all else, and that is its effect, no cost.
        batch_tokens: Most tokens read at once, padding included.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        texts: Sequence[np.ndarray],
        *,
        apart_from: Iterable[int] = (),
        batch_tokens: int = 16384,
    ) -> None:
        batches = plan_batches([len(ids) for ids in texts], batch_tokens)
        self._batches = [
            Deciding(loaded, [texts[i] for i in batch], np.array(batch)) for batch in batches
        ]
        self._spared = sorted(set(apart_from))
        self._clean = [self._rest(batch, ()) for batch in self._batches]
        self._count = len(texts)

    def divergence(self, edits: Sequence[Edit]) -> float:
        """Mean KL(clean || edited) of the next token, in nats."""
        total = 0.0
        for batch, before in zip(self._batches, self._clean, strict=True):
            after = self._rest(batch, edits)
            total += float((before.exp() * (before - after)).sum())
        return total / self._count

    def _rest(self, batch: Deciding, edits: Sequence[Edit]) -> torch.Tensor:
        log_p, _ = batch.log_probs(edits)
        kept = torch.ones(log_p.shape[1], dtype=torch.bool, device=log_p.device)
        kept[self._spared] = False
        return torch.log_softmax(log_p[:, kept], dim=1)


def _padded(options: Sequence[Sequence[Sequence[int]]], texts: int) -> np.ndarray:
    """Tokens [text, option, variant], filled up with -1."""
    count = {len(one) for one in options}
    if len(options) != texts or len(count) != 1 or not all(v for one in options for v in one):
        raise DataError(
            "options",
            found=f"{len(options)} lists of {sorted(count)} options for {texts} texts",
            expected="as many options for every text, each with a token",
        )
    most = max(len(variants) for one in options for variants in one)
    out = np.full((texts, count.pop(), most), _NO_TOKEN, dtype=np.int64)
    for text, one in enumerate(options):
        for option, variants in enumerate(one):
            out[text, option, : len(variants)] = variants
    return out
