"""Importances of sentences, from the rollouts themselves.

A rollout of sentence i continues the text before it; the rollouts of sentence i + 1 keep it. With
acc(i) the share of right answers among the rollouts of sentence i that give one:

    resampling(i)     = acc(i + 1) - acc(i)
    forced(i)         = the same, with rollouts that must answer at once
    counterfactual(i) = acc(rollouts of i whose sentence means something else) - acc(i + 1)

Signs are as published (`targets.importance` unites them); 0 where a group of rollouts is empty, and
at the last sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from augury.errors import DataError
from augury.shapes import RowScores
from augury.traces.sources.math_rollouts import Rollout

__all__ = ["Recomputed", "Similarity", "from_rollouts", "prefix_cut", "recorded_similarity"]

Similarity = Callable[[str, Sequence[str]], Float[np.ndarray, " rollout"]]
"""(sentence, others) -> cosine of the meaning of each of the others with it."""

Cut = Literal["right", "everywhere", "elsewhere"]


@dataclass(frozen=True, slots=True, eq=False)
class Recomputed:
    """What the rollouts of one problem say of each sentence; nan where they were not kept."""

    accuracy: RowScores
    resampling: RowScores
    """Of `forced` rollouts this is the forced importance."""

    overdetermined: RowScores
    different: RowScores
    """nan without a similarity."""

    counterfactual: RowScores
    """nan without a similarity."""


def from_rollouts(
    rollouts: Sequence[Sequence[Rollout]],
    similar: Similarity | None = None,
    *,
    threshold: float = 0.8,
) -> Recomputed:
    """Compute every importance of a problem anew.

    Args:
        rollouts: Of each sentence, in order; empty where they were not kept.
        similar: How alike two sentences are; without it nothing is said of what they mean.
        threshold: Rollouts whose sentence is less alike than this mean something else.
    """
    answered = [[rollout for rollout in each if rollout.answered] for each in rollouts]
    accuracy = np.array([_share([r.correct for r in each]) for each in answered])
    distinct = [
        len({r.resampled for r in each}) / len(each) if each else np.nan for each in answered
    ]
    unlike = [_unlike(each, similar, threshold) for each in answered]
    resampling = np.append(accuracy[1:] - accuracy[:-1], 0.0)
    counterfactual = np.zeros(len(rollouts))
    for i, each in enumerate(unlike[:-1]):
        if each is None or np.isnan(accuracy[i + 1]):
            counterfactual[i] = np.nan
        elif each.any():
            right = np.array([rollout.correct for rollout in answered[i]])
            counterfactual[i] = right[each].mean() - accuracy[i + 1]
    different = np.array([np.nan if each is None else _share(each.tolist()) for each in unlike])
    return Recomputed(accuracy, resampling, 1 - np.array(distinct), different, counterfactual)


def recorded_similarity(told: Sequence[Mapping[str, Any]], *, where: str) -> Similarity:
    """The similarity that `similarity.json` holds; nan of a rollout that wrote no sentence.

    The function raises DataError for a pair that it does not hold.

    Args:
        told: As stored.
        where: It is, for the message.
    """
    known = {(row["chunk"], other): v for row in told for other, v in row["similar"].items()}

    def similar(sentence: str, others: Sequence[str]) -> np.ndarray:
        missing = [other for other in others if other and (sentence, other) not in known]
        if missing:
            raise DataError(
                where,
                found=f"nothing on {missing[0][:60]!r} in place of {sentence[:60]!r}",
                expected="every pair of a sentence and what its rollouts wrote",
            )
        return np.array([known.get((sentence, other), np.nan) for other in others])

    return similar


def prefix_cut(rollout: Rollout, sentences: Sequence[str], index: int, prompt: str = "") -> Cut:
    """Where the text that a rollout was continued from was cut.

    Args:
        rollout: Of sentence `index`.
        sentences: Of the problem, in order.
        index: From 0.
        prompt: What the prefix begins with; where it does not, all up to `<think>` is left out.

    Returns:
        `right`: all sentences before this one stand in it, and no more; `everywhere`: earlier text
        that reads like the sentence was deleted with it; `elsewhere`: something else.
    """
    before = " ".join(sentences[:index])
    prefix = rollout.prefix.removeprefix(prompt.rstrip()).split("<think>")[-1].split()
    if prefix == before.split():
        return "right"
    everywhere = f"{before} {sentences[index]}".replace(sentences[index], "")
    return "everywhere" if prefix == everywhere.split() else "elsewhere"


def _unlike(
    rollouts: Sequence[Rollout], similar: Similarity | None, threshold: float
) -> np.ndarray | None:
    if similar is None or not rollouts:
        return None
    return np.asarray(similar(rollouts[0].removed, [r.resampled for r in rollouts]) < threshold)


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else float("nan")
