"""Rollouts that augury made: are all there, and does each say of itself what its text says?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from augury.errors import MissingInput
from augury.rollouts.answers import judge_solution
from augury.rollouts.cuts import first_sentence
from augury.rollouts.files import Tree
from augury.studies.thought_anchors.agreement import Agreement
from augury.traces.records import read_bytes
from augury.traces.sources.math_rollouts import RolloutProblem

__all__ = ["own_agreement"]


def own_agreement(
    tree: Tree, problem: RolloutProblem, made_with: Mapping[str, Any]
) -> list[Agreement]:
    """Count the rollouts of every sentence, and read each anew.

    Args:
        tree: The set.
        problem: As read.
        made_with: The config that the set keeps.
    """
    whole, told = [], []
    counts = ((False, made_with["rollouts"]), (True, made_with["forced"]["count"]))
    for forced, count in counts:
        begins = made_with["forced"]["text"] if forced else ""
        for sentence in range(len(problem.chunks) if count else 0):
            rows = _rows(tree, problem.id, sentence, forced=forced)
            whole.append(len(rows) == count)
            told += [_says_its_text(row, problem, begins) for row in rows]
    return [
        Agreement("rollouts of a sentence", "as many as were asked for", len(whole), sum(whole), 0),
        Agreement("rollouts", "sentence and answer, read anew", len(told), sum(told), 0),
    ]


def _says_its_text(row: Mapping[str, Any], problem: RolloutProblem, begins: str) -> bool:
    """Whether sentence, answer and judgement are those of the text; `begins`: not of the model."""
    text = row["prefix_without_chunk"] + row["rollout"]
    solution, finished = text.removeprefix(problem.prompt), row.get("state") != "truncated"
    read = judge_solution(problem.prompt, solution, problem.gold_answer, finished=finished)
    expected = {
        "full_cot": text,
        "chunk_resampled": first_sentence(row["rollout"].removeprefix(begins)),
        "answer": read.text,
        "is_correct": read.state == "right",
        "state": read.state,
    }
    return all(row.get(key) == value for key, value in expected.items())


def _rows(tree: Tree, problem: int, sentence: int, *, forced: bool) -> list[dict[str, Any]]:
    path = tree.rollouts(problem, sentence, forced=forced)
    try:
        rows: list[dict[str, Any]] = json.loads(read_bytes(path, what="rollouts"))
    except MissingInput:
        return []
    return rows
