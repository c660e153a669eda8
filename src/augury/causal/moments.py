"""Moments: places in a text where something is about to be decided, and what is read off there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch

from augury.errors import DataError

__all__ = ["Moment", "Readout", "log_mass"]

Readout = Callable[[torch.Tensor], torch.Tensor]
"""Given log-probabilities of the next token [moment, vocabulary], gives one number per moment."""


@dataclass(frozen=True, eq=False, slots=True)
class Moment:
    """A text up to a deciding position: the model has read it, and writes the next token."""

    trace: str
    """`Trace.id`; moments of one trace read the same tokens."""

    group: str
    """`Trace.group`."""

    ids: np.ndarray
    """int [token], at least 2; the last one stands at the deciding position."""

    @property
    def position(self) -> int:
        """The deciding position: index of the last token that was read, from 0."""
        return len(self.ids) - 1

    def __post_init__(self) -> None:
        if len(self.ids) < 2:
            raise DataError(
                f"moment of {self.trace!r}",
                found=f"{len(self.ids)} tokens",
                expected="a deciding position with a token before it",
            )


def log_mass(ids: Iterable[int]) -> Readout:
    """Log of the probability that the next token is one of `ids`, in nats.

    Raises:
        DataError: No id.
    """
    wanted = torch.tensor(sorted(set(ids)))
    if not len(wanted):
        raise DataError("target set", found="no token id", expected="at least one")
    return lambda log_p: torch.logsumexp(log_p[:, wanted.to(log_p.device)], dim=1)
