"""Vertical attention of sentences as features, and the receiver heads among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import kurtosis

from augury.activations.store import Store

__all__ = ["filled", "head_columns", "receiver_scores"]


def head_columns(
    store: Store, rows: np.ndarray, *, depth_control: bool
) -> Float[np.ndarray, "sentence head"]:
    """Scores of all heads of all read blocks: ranks, or attention itself.

    Args:
        store: Of `vertical.i`.
        rows: Its row for each sentence.
        depth_control: Take the ranks.
    """
    halves = []
    for site in store.sites:
        both = store[site].numpy(rows)
        heads = both.shape[1] // 2
        halves.append(both[:, heads:] if depth_control else both[:, :heads])
    return np.concatenate(halves, axis=1)


def filled(
    heads: Float[np.ndarray, "sentence head"],
    problems: Int[np.ndarray, " sentence"],
    known: Bool[np.ndarray, " sentence"],
) -> Float[np.ndarray, "sentence head"]:
    """The last sentences, which have no reader far enough behind, get the mean of their problem.

    So they stand out by nothing; that they are the last is for the position to say.
    """
    result = heads.copy()
    for problem in np.unique(problems):
        own = problems == problem
        told = own & known
        result[own & ~known] = heads[told].mean(axis=0) if told.any() else 0.0
    return result


def receiver_scores(
    heads: Float[np.ndarray, "sentence head"],
    problems: Int[np.ndarray, " sentence"],
    fitted: Bool[np.ndarray, " sentence"],
    *,
    count: int,
) -> tuple[Float[np.ndarray, " sentence"], Sequence[int]]:
    """Mean over the receiver heads: those that single out a few sentences most.

    A head's kurtosis over the sentences of a problem says how much it does; heads are chosen by its
    mean over the problems of `fitted`. No label is looked at, and no sign fitted: what later
    sentences look back at is taken to matter (Bogdan et al. 2025, arXiv:2506.19143).

    Args:
        heads: Vertical scores, see `filled`.
        problems: Number of the problem of each sentence.
        fitted: Sentences of the problems to choose heads on.
        count: How many heads.

    Returns:
        Scores of all sentences, and the numbers of the heads.
    """
    peaks = [
        _peaks(heads[fitted & (problems == problem)]) for problem in np.unique(problems[fitted])
    ]
    order = np.argsort(-np.mean(peaks, axis=0), kind="stable")
    chosen = sorted(order[:count].tolist())
    return heads[:, chosen].mean(axis=1), chosen


def _peaks(heads: Float[np.ndarray, "sentence head"]) -> Float[np.ndarray, " head"]:
    """Excess kurtosis of each head over the sentences of a problem, -2 where all are alike.

    -2 is the least that there is: a head singles out nothing there, as all heads do in a problem
    too short to have readers.
    """
    found = np.full(heads.shape[1], -2.0)
    varied = np.ptp(heads, axis=0) > 1e-6 * np.abs(heads).max(axis=0)
    found[varied] = kurtosis(heads[:, varied], axis=0)
    return found
