"""What tells whether sentences mean the same, and do rollouts find the sentences that matter?

    augury rollouts FOLDER -o questions.source=planted
    augury rollouts FOLDER
    python benchmarks/rollouts.py FOLDER [--encoder FOLDER-OR-HUB-ID]

First the similarity, on pairs of sentences whose meaning the embedded model's grammar knows; then
the importances of both sets against the grammar's truth, compared by own states as they were made
and, with --encoder, the same rollouts compared by that encoder at a cosine of 0.8.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from augury.organism.sentence_pairs import sentence_pairs
from augury.rollouts.config import EncoderConfig
from augury.rollouts.files import Tree, read_about
from augury.rollouts.meaning import Meaning, encoder_meaning, read_meaning
from augury.rollouts.planted import judge_planted, planted_lines
from augury.runs.progress import quiet
from augury.targets.rollout_importance import from_rollouts
from augury.traces.sources.math_rollouts import RolloutProblem, read_problem, read_rollouts
from augury.traces.sources.rollout_files import FolderRollouts, Setting

SPLITS = ("planted_base_solution", "base_solution")


def similarity(name: str, meaning: Meaning) -> None:
    found = {
        kind: np.concatenate(meaning.similarities([(one, [other]) for one, other in pairs]))
        for kind, pairs in sentence_pairs(random.Random(5), 500).items()
    }
    print(f"\n{name}: threshold {meaning.threshold:.3f}")
    for kind, values in found.items():
        above = roc_auc_score(np.repeat([1, 0], 500), np.r_[found["same"], values])
        told = "" if kind == "same" else f", AUROC of 'same' against it {above:.3f}"
        passed = (values >= meaning.threshold).mean()
        print(f"  {kind:6} median {np.median(values):+.2f}, {passed:.0%} pass for the same{told}")


def compared(files: FolderRollouts, problem: RolloutProblem, meaning: Meaning) -> RolloutProblem:
    """The problem with its counterfactual importances by another similarity."""
    drawn = [read_rollouts(files, problem.id, n) for n in range(len(problem.chunks))]
    found = from_rollouts(drawn, meaning.similar, threshold=meaning.threshold)
    chunks = tuple(
        replace(
            chunk,
            importance={**chunk.importance, "counterfactual": float(value)},
            different=float(different),
        )
        for chunk, value, different in zip(
            problem.chunks, found.counterfactual, found.different, strict=True
        )
    )
    return replace(problem, chunks=chunks)


def truth(name: str, problems: Sequence[RolloutProblem]) -> None:
    different = np.mean([chunk.different for p in problems for chunk in p.chunks])
    print(f"\n{name}: {len(problems)} problems, {different:.0%} of rollouts mean something else")
    for line in planted_lines(judge_planted(problems)):
        print("  " + line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder")
    given = parser.parse_args()
    encoder = encoder_meaning(EncoderConfig(name=given.encoder)) if given.encoder else None
    for split in SPLITS:
        files = FolderRollouts(given.folder, Setting("organism", split))
        tree = Tree(given.folder, files.setting)
        own = read_meaning(tree, read_about(tree)["encoder"])
        if split == SPLITS[0]:
            similarity("own states", own)
            if encoder:
                similarity(given.encoder, encoder)
        problems = [read_problem(files, number) for number in files.problem_ids()]
        truth(f"{split}, own states", problems)
        if encoder:
            with quiet():
                other = [compared(files, problem, encoder) for problem in problems]
            truth(f"{split}, {given.encoder}", other)


if __name__ == "__main__":
    main()
