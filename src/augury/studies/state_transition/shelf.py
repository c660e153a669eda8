"""Texts written under edits, each set kept under a hash of all that decides it.

A step that is interrupted writes what is missing, and a condition that several steps need is
written once.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from augury.causal.editing import Calls
from augury.plain import fingerprint, json_text
from augury.runs.atomic import write_text
from augury.studies.state_transition.generations import Row

__all__ = ["Costs", "Kept", "Shelf"]


@dataclass(frozen=True, slots=True)
class Costs:
    """What edits cost where no text is judged."""

    perplexity: float
    """On neutral text."""

    control_kl: float
    """Mean KL(unedited || edited) at controls, in nats."""


@dataclass(frozen=True, eq=False, slots=True)
class Kept:
    """One set of texts."""

    rows: tuple[Row, ...]
    costs: Costs
    calls: Calls
    """Of the hooks, when the texts were written."""


class Shelf:
    """A folder of such sets.

    Args:
        folder: Need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> Kept | None:
        """The set of that key; None where it is absent or damaged, and so has to be written."""
        try:
            sealed = json.loads((self._folder / f"{key}.json").read_text(encoding="utf-8"))
            stored: dict[str, Any] = sealed["stored"]
            if sealed["checksum"] != fingerprint(stored):
                return None
        except (FileNotFoundError, UnicodeDecodeError, ValueError, KeyError, TypeError):
            return None
        calls = Calls(*(Counter(dict(pairs)) for pairs in stored["calls"]))
        rows = (Row(**{**row, "token_ids": tuple(row["token_ids"])}) for row in stored["rows"])
        return Kept(tuple(rows), Costs(**stored["costs"]), calls)

    def put(self, key: str, kept: Kept) -> None:
        """Keep a set."""
        calls = kept.calls
        stored = {
            "rows": [asdict(row) for row in kept.rows],
            "costs": asdict(kept.costs),
            "calls": [
                sorted(counter.items())
                for counter in (calls.edited, calls.passed_over, calls.lengths)
            ],
        }
        sealed = {"checksum": fingerprint(stored), "stored": stored}
        write_text(self._folder / f"{key}.json", json_text(sealed))
