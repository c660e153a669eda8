"""What the rollouts of a problem say of its sentences, in the published layout and signs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from augury.organism.sentence_truth import SentenceTruth, sentence_truths
from augury.rollouts.base import BaseSolution
from augury.rollouts.config import RolloutsConfig
from augury.rollouts.files import Tree
from augury.rollouts.meaning import Meaning
from augury.runs.atomic import write_json
from augury.targets.rollout_importance import from_rollouts, recorded_similarity
from augury.traces.sources.math_rollouts import Rollout

__all__ = ["distinct_sentences", "write_labels", "write_similarity"]

_DIGITS = 6
"""Of a stored similarity."""


def distinct_sentences(tree: Tree, base: BaseSolution) -> list[str]:
    """Sentences of a solution and of its rollouts, each once, in their order."""
    found = [base.words(each) for each in base.sentences]
    for sentence in base.sentences:
        found += [row["chunk_resampled"] for row in _rows(tree, base, sentence.index)]
    return list(dict.fromkeys(each for each in found if each.strip()))


def write_similarity(tree: Tree, base: BaseSolution, meaning: Meaning) -> None:
    """Write how alike each sentence is to what its rollouts wrote in its place."""
    pairs: list[tuple[str, list[str]]] = []
    for sentence in base.sentences:
        rows = _rows(tree, base, sentence.index)
        others = dict.fromkeys(row["chunk_resampled"] for row in rows if row["chunk_resampled"])
        pairs.append((base.words(sentence), list(others)))
    alike = [each.round(_DIGITS).tolist() for each in meaning.similarities(pairs)]
    told = [
        {"chunk": one, "similar": dict(zip(others, values, strict=True))}
        for (one, others), values in zip(pairs, alike, strict=True)
    ]
    write_json(tree.problem(base.question.id, "similarity.json"), told)


def write_labels(tree: Tree, base: BaseSolution, config: RolloutsConfig, threshold: float) -> str:
    """Write `chunks_labeled.json`; returns why not, or nothing.

    A sentence without one answered rollout has no accuracy, and its problem no labels.
    """
    path = tree.problem(base.question.id, "similarity.json")
    similar = recorded_similarity(json.loads(path.read_text(encoding="utf-8")), where=str(path))
    rollouts = [_rollouts(tree, base, each.index) for each in base.sentences]
    found = from_rollouts(rollouts, similar, threshold=threshold)
    silent = np.flatnonzero(np.isnan(found.accuracy))
    if len(silent):
        states = [row["state"] for row in _rows(tree, base, int(silent[0]))]
        told = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states))
        return (
            f"no rollout of sentence {silent[0]} gives an answer ({told}); "
            "raise sampling.max_new_tokens, or check prompt and answers"
        )
    forced = np.zeros(len(rollouts))
    if config.forced.count:
        at_once = [_rollouts(tree, base, each.index, forced=True) for each in base.sentences]
        forced = np.nan_to_num(from_rollouts(at_once).resampling)
    truths = _truths(base)
    rows = [
        {
            "chunk": base.words(sentence),
            "chunk_idx": n,
            "function_tags": list(truths[n].tags) if truths else ["unknown"],
            "depends_on": [],
            "accuracy": float(found.accuracy[n]),
            "resampling_importance_accuracy": float(found.resampling[n]),
            "counterfactual_importance_accuracy": float(found.counterfactual[n]),
            "forced_importance_accuracy": float(forced[n]),
            "different_trajectories_fraction": float(found.different[n]),
            "overdeterminedness": float(found.overdetermined[n]),
            "unanswered": sum(not rollout.answered for rollout in rollouts[n]),
            **({"truth": list(truths[n].marks)} if truths else {}),
        }
        for n, sentence in enumerate(base.sentences)
    ]
    write_json(tree.problem(base.question.id, "chunks_labeled.json"), rows)
    return ""


def _truths(base: BaseSolution) -> list[SentenceTruth] | None:
    if base.question.world is None:
        return None
    shift = len(base.prompt)
    ranges = [(each.start - shift, each.end - shift) for each in base.sentences]
    opened = base.prompt.rstrip().endswith("<think>")
    return sentence_truths(base.question.world, base.solution, ranges, opened=opened)


def _rows(
    tree: Tree, base: BaseSolution, sentence: int, *, forced: bool = False
) -> list[dict[str, Any]]:
    path = tree.rollouts(base.question.id, sentence, forced=forced)
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def _rollouts(
    tree: Tree, base: BaseSolution, sentence: int, *, forced: bool = False
) -> list[Rollout]:
    return [
        Rollout(
            row["chunk_removed"],
            row["chunk_resampled"],
            row["prefix_without_chunk"],
            row["answer"],
            row["is_correct"],
        )
        for row in _rows(tree, base, sentence, forced=forced)
    ]
