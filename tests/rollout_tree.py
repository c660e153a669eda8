"""Folders of math-rollouts that are written from known truth: every share from real rollouts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

MODEL, SPLIT = "tiny-model", "correct_base_solution"
PROMPT = "Solve this. Problem: {problem} Solution: \n<think>\n"
_WORDS = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi".split()


def write_problem(
    root: Path, number: int, *, sentences: int = 14, effect: float = 0.0, rollouts: int = 40
) -> Path:
    """Write one problem with its rollouts; returns its folder.

    The answer is right in about half of the rollouts; after a rollout that replaces sentence 3 by
    something else, less often by `effect`. "Same." is sentence 1 and sentence 6.
    """
    rng = np.random.default_rng(number)
    texts = [f"{_WORDS[n % len(_WORDS)]} of problem {number} step {n}." for n in range(sentences)]
    texts[1] = texts[6] = "Same."
    problem = f"Problem number {number}, which is asked?"
    folder = root / MODEL / SPLIT / f"problem_{number}"
    folder.mkdir(parents=True)
    every = []
    for n, text in enumerate(texts):
        own = []
        for _ in range(rollouts):
            differs = bool(rng.random() < 0.4)
            right = bool(rng.random() < 0.6 - effect * (differs and n == 3))
            answer = "" if rng.random() < 0.05 else ("7" if right else "8")
            prefix = " ".join([*texts[:n], text]).replace(text, "").strip()
            own.append(
                {
                    "chunk_removed": text,
                    "prefix_without_chunk": PROMPT.format(problem=problem) + prefix,
                    "chunk_resampled": f"other {rng.integers(9)}" if differs else text,
                    "rollout": "",
                    "full_cot": "",
                    "answer": answer,
                    "is_correct": right and answer == "7",
                }
            )
        every.append(own)
        (folder / f"chunk_{n}").mkdir()
        _write(folder / f"chunk_{n}" / "solutions.json", own)
    _write(folder / "chunks_labeled.json", _labels(texts, every))
    solution = "\n\n".join(texts) + "\n</think>\n\nThe answer is 7."
    prompt = PROMPT.format(problem=problem)
    base = {"prompt": prompt, "solution": solution, "answer": "7", "is_correct": True}
    _write(folder / "base_solution.json", {**base, "full_cot": prompt + solution})
    about = {"problem": problem, "level": "Level 1", "type": "Algebra", "gt_answer": "7"}
    _write(folder / "problem.json", {**about, "gt_solution": "", "nickname": ""})
    return folder


def same_text(sentence: str, others: list[str]) -> np.ndarray:
    """A similarity for these folders: 1 for the same text, else 0."""
    return np.array([float(each == sentence) for each in others])


def change(path: Path, at: int | None, **fields: object) -> None:
    """Change fields of a stored object, or of the object `at` in a stored list."""
    stored = json.loads(path.read_text())
    (stored if at is None else stored[at]).update(fields)
    _write(path, stored)


def _labels(texts: list[str], every: list[list[dict]]) -> list[dict]:
    """As published, straight from the definitions."""
    answered = [[r for r in own if r["answer"]] for own in every]
    accuracy = [sum(r["is_correct"] for r in own) / len(own) for own in answered]
    rows = []
    for n, (text, own) in enumerate(zip(texts, answered, strict=True)):
        unlike = [r for r in own if r["chunk_resampled"] != text]
        last = n == len(texts) - 1
        after = 0.0 if last else accuracy[n + 1]
        counterfactual = 0.0
        if unlike and not last:
            counterfactual = sum(r["is_correct"] for r in unlike) / len(unlike) - after
        rows.append(
            {
                "chunk": text,
                "chunk_idx": n,
                "function_tags": ["plan_generation" if n % 3 else "problem_setup"],
                "depends_on": [],
                "accuracy": accuracy[n],
                "resampling_importance_accuracy": 0.0 if last else after - accuracy[n],
                "counterfactual_importance_accuracy": counterfactual,
                "forced_importance_accuracy": 0.0,
                "different_trajectories_fraction": len(unlike) / len(own),
                "overdeterminedness": 1 - len({r["chunk_resampled"] for r in own}) / len(own),
            }
        )
    return rows


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))
