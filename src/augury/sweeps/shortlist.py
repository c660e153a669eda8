"""Which configs go on: the best of each league on validation, none with a touched tripwire."""

from __future__ import annotations

from collections.abc import Sequence

from augury.sweeps.entries import Entry

__all__ = ["ranked", "shortlist"]


def ranked(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Entries by league, best on validation first; leagues in the order in which they come."""
    leagues: dict[str, list[Entry]] = {}
    for entry in entries:
        leagues.setdefault(entry.standing.league, []).append(entry)
    return {name: sorted(each, key=_order) for name, each in leagues.items()}


def shortlist(entries: Sequence[Entry], keep: int) -> set[str]:
    """Ids of the configs that go on, all replicates of each.

    Predictors without states count only where no config has any other.
    """
    sound = [entry for entry in entries if not entry.tripped and entry.validation is not None]
    with_states = [entry for entry in sound if entry.standing.sees == "states"]
    chosen = [entry for league in ranked(with_states or sound).values() for entry in league[:keep]]
    return {member.id for entry in chosen for member in entry.members}


def _order(entry: Entry) -> tuple[float, str]:
    value = entry.validation
    return (-value if value is not None else float("inf"), entry.members[0].id)
