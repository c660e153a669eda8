"""What a sweep found, as tables: CSV files in its folder, and lines for a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence

from augury.errors import PartialFailure
from augury.evaluate.standing import GroupValues
from augury.report.tables import CellValue, csv_text
from augury.report.text_table import text_table
from augury.runs.atomic import write_text
from augury.runs.progress import printable
from augury.sweeps.campaign import Campaign
from augury.sweeps.cost import cost_of, estimate_readings
from augury.sweeps.deltas import delta_rows
from augury.sweeps.entries import Entry, mean_interval, mean_of
from augury.sweeps.heartbeat import is_alive
from augury.sweeps.leaderboard import leaderboard_rows, league_title
from augury.sweeps.materials import Needed, unmade_materials
from augury.sweeps.shortlist import ranked
from augury.sweeps.stability import stability_rows

__all__ = ["leaderboard_lines", "plan_lines", "raise_if_left", "status_lines", "write_tables"]

_SHOWN = 10


def write_tables(campaign: Campaign) -> list[Entry]:
    """Write `leaderboard.csv`, `deltas.csv`, `stability.csv`; the same results, the same bytes."""
    entries = campaign.entries()
    tables = {
        "leaderboard": leaderboard_rows(entries),
        "deltas": delta_rows(entries),
        "stability": stability_rows(entries),
    }
    for name, rows in tables.items():
        columns = list(rows[0]) if rows else []
        cells = [[row[column] for column in columns] for row in rows]
        write_text(campaign.folder.path / f"{name}.csv", csv_text(columns, cells))
    return entries


def leaderboard_lines(campaign: Campaign, entries: Sequence[Entry]) -> list[str]:
    """The best of each league, and where the tables are.

    Predictors that see no states are left to the tables where others do: these tell their lead.
    """
    lines: list[str] = []
    with_states = [entry for entry in entries if entry.standing.sees == "states"]
    for league in ranked(with_states or entries).values():
        lines += [printable(league_title(league[0])), *_table(league[:_SHOWN])]
        if len(league) > _SHOWN:
            lines.append(f"... and {len(league) - _SHOWN} more")
        lines.append("")
    told = f"{campaign.folder.path}/leaderboard.csv, deltas.csv, stability.csv"
    return [*lines, f"ordered by validation; tables  {told}"]


def plan_lines(campaign: Campaign, *, estimate: bool = True) -> list[str]:
    """How many configs there are, what they share, and what they will cost."""
    lines = []
    for number, phase in enumerate(campaign.phases, start=1):
        of = phase.all
        lines.append(
            f"stage {number}  {of.crossed} combinations, {len(of.members)} distinct configs "
            f"({of.duplicates} duplicates dropped) in {len(of.runs)} runs"
        )
    if campaign.waiting:
        lines.append(f"{campaign.waiting} more stages, chosen when these are done")
    cost = cost_of(campaign)
    done = len(campaign.runs) - cost.runs
    lines.append(f"done     {done} of {len(campaign.runs)} runs")
    rows: list[list[CellValue]] = [
        [stage, times, cost.runs, cost.seconds[stage]] for stage, times in cost.times.items()
    ]
    unmade = unmade_materials(campaign)
    lines += _unmade_lines(unmade, estimate=estimate)
    lines += text_table(["work", "times", "instead of", "seconds each"], rows)
    if estimate and cost.runs:
        found = estimate_readings(campaign)
        if found.count:
            lines.append(
                f"reading  {found.count} times, {found.bytes / 1e9:.3f} GB, "
                f"{found.minutes:.1f} min on this machine"
            )
    if cost.bytes is not None:
        lines.append(f"disk     {cost.bytes * cost.runs / 1e9:.3f} GB, from the runs so far")
    if cost.minutes is None:
        lines.append("time     not known before one run is done: try --max-configs 1")
    else:
        without = ", without what is to be made" if unmade else ""
        lines.append(f"time     {cost.minutes:.1f} min, from the runs so far{without}")
    return lines


def _unmade_lines(unmade: Sequence[Needed], *, estimate: bool) -> list[str]:
    """What will be made before anything is read, and what that costs."""
    lines, size, seconds = [], 0, 0.0
    for need in unmade:
        lines.append(printable(f"to make  {need.material.name}, read by {len(need.runs)} runs"))
        if estimate:
            cost = need.material.estimate()
            lines += [f"         {line}" for line in cost.lines()]
            size, seconds = size + cost.bytes, seconds + cost.seconds
    if unmade and estimate:
        lines.append(
            f"together {len(unmade)} to make, {size / 1e9:.3f} GB, {seconds / 60:.1f} min; "
            "what reads them is estimated when they are there"
        )
    if unmade:
        lines.append("until then, work that depends on them is counted by settings:")
    return lines


def status_lines(campaign: Campaign) -> list[str]:
    """What is done, what failed and why, and which tripwires were touched."""
    runs = campaign.runs
    done = [run for run in runs if campaign.is_done(run)]
    failed = [(run.id, campaign.failure(run)) for run in runs if campaign.failure(run)]
    left = len(runs) - len(done)
    lines = [f"{len(done)} of {len(runs)} runs done, {left} left, {len(failed)} failed"]
    lines += _sign_of_life(campaign) if left else []
    lines += [printable(f"failed   {name}: {why}") for name, why in failed]
    for run in done:
        ended = campaign.endings[run.id]
        lines += [printable(f"tripped  {run.id}: {wire}") for wire in ended.tripped]
        lines += [printable(f"left out {run.id}: {what}") for what in ended.left_out]
    return lines


def raise_if_left(campaign: Campaign) -> None:
    """End a sweep that is not sound to its last run.

    Raises:
        PartialFailure: Runs failed, touched a tripwire, or left something out; all are named.
    """
    faults = []
    for run in campaign.runs:
        if why := campaign.failure(run):
            faults.append(f"{run.id} failed: {why}")
        elif run.id in campaign.endings:
            ended = campaign.endings[run.id]
            faults += [f"{run.id} touched a tripwire: {wire}" for wire in ended.tripped]
            faults += [f"{run.id} left out: {what}" for what in ended.left_out]
    if faults:
        found = "\n".join([f"{len(faults)} faults", *(f"  {fault}" for fault in faults)])
        raise PartialFailure(f"sweep {campaign.folder.path}", found=found)


def _sign_of_life(campaign: Campaign) -> list[str]:
    """Whether somebody works on the sweep now."""
    sign = campaign.folder.sign_of_life()
    if not sign:
        return ["nobody has begun"]
    age = f"last sign of life {max(0, int(time.time()) - int(sign['time']))} s ago"
    if is_alive(campaign.folder.lock):
        running = ", ".join(sign["running"]) or "nothing"
        return [f"running  {running} (process {sign['pid']}, {age})"]
    return [f"stopped  {age}; `augury sweep run` goes on"]


def _table(league: Sequence[Entry]) -> list[str]:
    every = dict.fromkeys(name for entry in league for name in entry.setting)
    # What all have in common is told by the title.
    axes = [name for name in every if len({entry.setting.get(name) for entry in league}) > 1]
    rows: list[list[CellValue]] = []
    for rank, entry in enumerate(league, start=1):
        of = entry.standing
        axis_cells = [printable(entry.setting.get(name, "")) for name in axes]
        rows.append(
            [
                rank,
                *axis_cells,
                printable(of.predictor),
                entry.validation,
                _held(of.test),
                _held(entry.lead),
                of.baseline,
                of.verdict,
                "tripped" if entry.tripped else "",
                entry.members[0].id,
            ]
        )
    names = ("predictor", "validation", "test", "lead", "over", "verdict", "", "config")
    return text_table(["", *map(printable, axes), *names], rows)


def _held(values: GroupValues) -> str:
    mean, found = mean_of(values), mean_interval(values)
    if mean is None:
        return "-"
    return f"{mean:.3f}" + (
        f" [{found.low:.3f}, {found.high:.3f}]" if found else f" (n={len(values)})"
    )
