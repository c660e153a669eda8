"""How often the test groups of a run were looked at: what is picked among looks is not held out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from augury.plain import fingerprint
from augury.runs.folder import Run
from augury.runs.journal import Journal, read_journal

__all__ = ["openings", "record_opening"]


def record_opening(run: Run, question: Mapping[str, object]) -> None:
    """Note, before the first test row is used, that this question is put to the test groups.

    Args:
        run: Whose test groups.
        question: All settings that a score depends on. The same question again is no second look.
    """
    asked = fingerprint(question)
    if asked not in {record["question"] for record in read_journal(_path(run))}:
        Journal(_path(run)).append({"question": asked})


def openings(run: Run) -> int:
    """How many different questions were put to the test groups."""
    return len(read_journal(_path(run)))


def _path(run: Run) -> Path:
    return run.path / "test-openings.jsonl"
