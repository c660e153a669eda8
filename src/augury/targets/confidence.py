"""Answers and confidence from the logits of a few symbols: the numbers that introspection is about.

A symbol may be several tokens ("A", " A"): its logit is the log of the sum of their exponentials,
so its probability among the symbols is that of all its tokens.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp, softmax, xlogy

from augury.errors import UsageError

__all__ = [
    "BIN_EDGES",
    "BIN_MIDPOINTS",
    "Choices",
    "choices",
    "expected_confidence",
    "logit_margin",
    "spread_over_bins",
]

BIN_EDGES = (0.0, 5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 90.0, 100.0)
"""Percent; eight bins, narrow at the ends (`docs/from-the-seeds.md`)."""

BIN_MIDPOINTS = tuple((a + b) / 2 for a, b in itertools.pairwise(BIN_EDGES))
"""2.5, 7.5, 15, 30, 50, 70, 85, 95 percent."""


@dataclass(frozen=True, eq=False, slots=True)
class Choices:
    """What the logits of the symbols say, per question."""

    logits: Float[np.ndarray, "question option"]
    """One per symbol, its tokens together."""

    probs: Float[np.ndarray, "question option"]
    """Among the symbols; rows sum to 1."""

    entropy: Float[np.ndarray, " question"]
    """Of `probs`, in nats."""

    option_mass: Float[np.ndarray, " question"]
    """Probability of all symbols together, over the whole vocabulary. Where it is small, `probs`
    tells what the model would say if it had to, which it would not."""


def choices(
    variants: Float[np.ndarray, "question option variant"],
    normaliser: Float[np.ndarray, " question"],
) -> Choices:
    """Judge the symbols of every question.

    Args:
        variants: Logits of the tokens of each symbol; -inf where a symbol has fewer.
        normaliser: Log of the sum of the exponentials of all logits of the vocabulary.
    """
    logits = logsumexp(np.asarray(variants, np.float64), axis=2)
    probs = softmax(logits, axis=1)
    mass = np.exp(logsumexp(logits, axis=1) - np.asarray(normaliser, np.float64))
    return Choices(logits, probs, -xlogy(probs, probs).sum(axis=1), np.minimum(mass, 1.0))


def logit_margin(
    logits: Float[np.ndarray, "question option"], correct: np.ndarray
) -> Float[np.ndarray, " question"]:
    """Logit of the correct option less that of the best other one; above 0 where it is chosen.

    Args:
        logits: From `choices`.
        correct: Index of the right option, int [question].
    """
    rows = np.arange(len(logits))
    others = np.array(logits, dtype=np.float64)
    others[rows, correct] = -np.inf
    return np.asarray(logits[rows, correct] - others.max(axis=1))


def expected_confidence(
    probs: Float[np.ndarray, "question bin"],
) -> Float[np.ndarray, " question"]:
    """Mean of the bins' midpoints under `probs`, in percent: 2.5 to 95.

    Raises:
        UsageError: Not one column for each bin.
    """
    if probs.shape[1:] != (len(BIN_MIDPOINTS),):
        raise UsageError(
            "confidence", found=f"{probs.shape[1:]} columns", expected=f"{len(BIN_MIDPOINTS)} bins"
        )
    return np.asarray(probs @ np.array(BIN_MIDPOINTS))


def spread_over_bins(percent: Float[np.ndarray, " question"]) -> Float[np.ndarray, "question bin"]:
    """Soft labels whose expected confidence is `percent`, exactly: the two nearest bins share it.

    A model that learns them states, in expectation, the mean of what it cannot tell apart. Gaussian
    weights over bins of unequal width would not keep that mean. Values beyond the outermost
    midpoints are given to the outermost bins.
    """
    middle = np.array(BIN_MIDPOINTS)
    value = np.clip(np.asarray(percent, np.float64), middle[0], middle[-1])
    upper = np.clip(np.searchsorted(middle, value, side="right"), 1, len(middle) - 1)
    share = (value - middle[upper - 1]) / (middle[upper] - middle[upper - 1])
    weights = np.zeros((len(value), len(middle)))
    rows = np.arange(len(value))
    weights[rows, upper - 1] = 1 - share
    weights[rows, upper] += share
    return weights
