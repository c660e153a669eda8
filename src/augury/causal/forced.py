"""Read given texts with edits, as if the model had written them under these edits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from augury.activations.batches import plan_batches
from augury.causal.editing import editing
from augury.causal.edits import Edit
from augury.models.hooks import capture
from augury.models.load import LoadedModel
from augury.models.read import pad_right

__all__ = ["ForcedText", "all_forced", "control_divergence", "forced_log_probs", "neutral_loss"]


@dataclass(frozen=True, eq=False, slots=True)
class ForcedText:
    """Tokens that are read, and where the model is listened to."""

    ids: np.ndarray
    """int [token]."""

    rows: np.ndarray
    """int [row], positions whose next-token distribution is wanted, from 0."""

    first: int = 0
    """Edits are made from this position on: the end of the prompt, 0 for the whole text."""


@torch.no_grad()
def forced_log_probs(
    loaded: LoadedModel,
    texts: Sequence[ForcedText],
    edits: Sequence[Edit],
    *,
    batch_tokens: int = 8192,
) -> Iterator[tuple[int, torch.Tensor]]:
    """Log-probabilities of the next token at the wanted rows; edits from `first` on.

    Args:
        loaded: A model with its head.
        texts: What is read.
        edits: None at all reads the clean model.
        batch_tokens: Most tokens at once, padding included.

    Yields:
        Place of the text in `texts`, and [row, vocabulary]; longest texts first.
    """
    for batch in plan_batches([len(text.ids) for text in texts], batch_tokens):
        padded = pad_right([texts[i].ids for i in batch], loaded.device)
        first = torch.tensor([texts[i].first for i in batch], device=loaded.device)
        mask = padded.attention_mask.bool() & (padded.position_ids >= first[:, None])
        final: dict[str, torch.Tensor] = {}
        with (
            editing(loaded.blocks, edits, mask, numbers=torch.tensor(batch)),
            capture(loaded.blocks, ["final"], final.__setitem__) as session,
        ):
            session.run(padded.input_ids, padded.attention_mask, padded.position_ids)
        for row, index in enumerate(batch):
            states = final["final"][row, torch.from_numpy(texts[index].rows).to(loaded.device)]
            yield index, torch.log_softmax(loaded.blocks.logits(states).float(), dim=-1)


def neutral_loss(
    loaded: LoadedModel,
    texts: Sequence[np.ndarray],
    edits: Sequence[Edit],
    *,
    apart_from: Sequence[int] = (),
) -> np.ndarray:
    """Mean surprise of each text under the edited model, float [text], in nats per token.

    The exponential of its mean is the perplexity.

    Args:
        loaded: A model with its head.
        texts: Token ids of each; at least two that are not in `apart_from`.
        edits: Made at every token.
        apart_from: Ids that are taken out of every distribution, and whose own places do not
            count. An edit that is meant to make the model say something takes probability from
            all else; that is its effect, and not its cost.
    """
    spared = np.asarray(list(apart_from), dtype=np.int64)
    rows = [np.flatnonzero(~np.isin(ids[1:], spared)) for ids in texts]
    forced = [ForcedText(ids, kept) for ids, kept in zip(texts, rows, strict=True)]
    out = np.zeros(len(texts))
    for index, log_p in forced_log_probs(loaded, forced, edits):
        wanted = torch.from_numpy(texts[index][1:][rows[index]].astype(np.int64)).to(log_p.device)
        said = log_p.gather(1, wanted[:, None])[:, 0]
        out[index] = -float((said - _rest(log_p, spared).logsumexp(dim=1)).mean())
    return out


def control_divergence(
    loaded: LoadedModel,
    texts: Sequence[ForcedText],
    clean: Sequence[torch.Tensor],
    edits: Sequence[Edit],
    *,
    apart_from: Sequence[int] = (),
) -> np.ndarray:
    """KL(clean || edited) of the next token at every wanted row, text by text.

    Args:
        loaded: A model with its head.
        texts: With control positions as their rows.
        clean: What `all_forced` gave for these texts without edits.
        edits: Made at every token from each text's `first`.
        apart_from: As in `neutral_loss`.

    Returns:
        float [row], in nats.
    """
    spared = np.asarray(list(apart_from), dtype=np.int64)
    out = []
    for before, after in zip(clean, all_forced(loaded, texts, edits), strict=True):
        p, q = (torch.log_softmax(_rest(log_p, spared), dim=1) for log_p in (before, after))
        out.append((p.exp() * (p - q)).sum(dim=1).double().cpu().numpy())
    return np.concatenate(out)


def all_forced(
    loaded: LoadedModel, texts: Sequence[ForcedText], edits: Sequence[Edit]
) -> list[torch.Tensor]:
    """`forced_log_probs` of every text, in the order of the texts."""
    found = dict(forced_log_probs(loaded, texts, edits))
    return [found[index] for index in range(len(texts))]


def _rest(log_p: torch.Tensor, spared: np.ndarray) -> torch.Tensor:
    """All columns but those of the spared ids."""
    if not len(spared):
        return log_p
    kept = torch.ones(log_p.shape[1], dtype=torch.bool, device=log_p.device)
    kept[torch.from_numpy(spared).to(log_p.device)] = False
    return log_p[:, kept]
