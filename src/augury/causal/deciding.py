"""Texts that are read up to their deciding position once, and decided there under any edit.

What was read before the deciding position cannot depend on an edit made there, so all but the last
token goes into a cache, and every edit costs one pass over one token per text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from augury.causal.editing import Calls, editing
from augury.causal.edits import Edit
from augury.errors import CheckFailed
from augury.models.load import LoadedModel
from augury.models.running import Running

__all__ = ["Deciding"]


class Deciding:
    """One batch of texts, at their deciding positions.

    Args:
        loaded: A model with its head.
        texts: Token ids of each, at least 2; the last one stands at the deciding position.
        numbers: By which edits know the texts; their places in the batch when not given.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        texts: Sequence[np.ndarray],
        numbers: np.ndarray | None = None,
    ) -> None:
        self._loaded = loaded
        self.numbers = np.arange(len(texts)) if numbers is None else numbers
        with torch.no_grad():
            self._running = Running(loaded, [ids[:-1].tolist() for ids in texts])
            self._running.next_states()
        self._running.append(np.array([ids[-1] for ids in texts], dtype=np.int64))

    @torch.no_grad()
    def log_probs(self, edits: Sequence[Edit] = ()) -> tuple[torch.Tensor, Calls]:
        """Log-probabilities of the next token [text, vocabulary] under edits, and what hooks did.

        Raises:
            ConfigError: A site that the model does not have.
            CheckFailed: A site was not edited exactly once, or a logit is not finite.
        """
        numbers = torch.from_numpy(np.asarray(self.numbers))
        with editing(self._loaded.blocks, edits, "last token", numbers=numbers) as made:
            logits = self._running.branch().next_logits().float()
        if not bool(torch.isfinite(logits).all()):
            raise CheckFailed(
                "next token",
                found="logits that are not finite",
                fix="run the model in float32 or bfloat16",
            )
        return torch.log_softmax(logits, dim=-1), made
