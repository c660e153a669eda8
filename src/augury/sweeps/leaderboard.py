"""The leaderboard of a sweep: a table per league, ordered by validation, scored on test."""

from __future__ import annotations

from collections.abc import Sequence

from augury.report.tables import CellValue
from augury.sweeps.entries import Entry, mean_interval, mean_of
from augury.sweeps.shortlist import ranked

__all__ = ["leaderboard_rows", "league_title"]


def leaderboard_rows(entries: Sequence[Entry]) -> list[dict[str, CellValue]]:
    """One row per entry, league after league, best on validation first.

    Ranks are within a league: configs with other targets, percentiles or data stand in another.
    """
    leagues = list(ranked(entries).values())
    axes = list(dict.fromkeys(name for entry in entries for name in entry.setting))
    return [
        _row(number, rank, entry, axes)
        for number, league in enumerate(leagues, start=1)
        for rank, entry in enumerate(league, start=1)
    ]


def league_title(entry: Entry) -> str:
    """What the entries of a league have in common."""
    of = entry.standing
    sight = "" if of.sees == "states" else ", predictors that see no states"
    return f"{of.target} in {of.setting}: {of.metric} within groups{sight}"


def _row(number: int, rank: int, entry: Entry, axes: Sequence[str]) -> dict[str, CellValue]:
    of = entry.standing
    held, lead = mean_interval(of.test), mean_interval(entry.lead)
    return {
        "league": number,
        "target": of.target,
        "setting": of.setting,
        "rank": rank,
        **{f"axis {name}": entry.setting.get(name) for name in axes},
        "model": of.model,
        "predictor": of.predictor,
        "sees": of.sees,
        "metric": of.metric,
        "validation": entry.validation,
        "test": mean_of(of.test),
        "test_low": held.low if held else None,
        "test_high": held.high if held else None,
        "groups": len(of.test),
        "baseline": of.baseline,
        "baseline_test": mean_of(of.baseline_test),
        "lead": mean_of(entry.lead),
        "lead_low": lead.low if lead else None,
        "lead_high": lead.high if lead else None,
        "verdict": of.verdict,
        "replicates": len(entry.members),
        "flag": "; ".join(entry.tripped) or None,
        "config": " ".join(member.id for member in entry.members),
    }
