"""Where the files of a set of rollouts lie: the layout of math-rollouts, and what is ours.

<model>/<split>/rollouts.json             what made it: model, sampling, seed, encoder, threshold
               /encoder.safetensors       of an encoder made of states: mean and whitening
               /journal.jsonl             what is finished
               /problem_<id>/problem.json, base_solution.json, chunks.json, chunks_labeled.json
                            /similarity.json            how alike each sentence and its rollouts are
                            /chunk_<i>/solutions.json   rollouts of sentence i
<model>/<split>_forced_answer/problem_<id>/chunk_<i>/solutions.json
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augury.traces.records import read_bytes
from augury.traces.sources.rollout_files import Setting

__all__ = ["Tree", "read_about"]


@dataclass(frozen=True, slots=True)
class Tree:
    """The folders of one setting."""

    root: Path
    setting: Setting

    @property
    def folder(self) -> Path:
        return self.root / self.setting.model / self.setting.split

    @property
    def about(self) -> Path:
        return self.folder / "rollouts.json"

    @property
    def encoder(self) -> Path:
        return self.folder / "encoder.safetensors"

    @property
    def journal(self) -> Path:
        return self.folder / "journal.jsonl"

    @property
    def lock(self) -> Path:
        return self.folder / ".lock"

    def problem(self, number: int, name: str) -> Path:
        """A file of a problem."""
        return self.folder / f"problem_{number}" / name

    def rollouts(self, number: int, sentence: int, *, forced: bool = False) -> Path:
        """The rollouts of a sentence."""
        split = f"{self.setting.split}_forced_answer" if forced else self.setting.split
        folder = self.root / self.setting.model / split / f"problem_{number}"
        return folder / f"chunk_{sentence}" / "solutions.json"


def read_about(tree: Tree) -> dict[str, Any]:
    """What made the rollouts of a setting.

    Raises:
        MissingInput: It is not a set that augury made.
    """
    raw = read_bytes(tree.about, what="rollouts that augury made")
    about: dict[str, Any] = json.loads(raw.decode("utf-8"))
    return about
