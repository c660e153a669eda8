"""What is known of some runs, as Markdown for the marked sections of somebody's page.

The same runs give the same bytes: nothing here depends on time, machine or where the runs are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from augury.evaluate.tripwires import Tripwire
from augury.report.blocks import Block, Bullets, Paragraph, Table
from augury.report.page_markdown import markdown_blocks
from augury.report.tables import CellValue
from augury.runs.folder import Run, stored_facts
from augury.studies.gate import examine_run, gate_lines
from augury.studies.registry import find_study
from augury.sweeps.matrix import COLUMNS, matrix_rows

__all__ = ["SECTIONS", "section_text"]


def section_text(name: str, runs: Sequence[Run]) -> str:
    """The content of a section about these runs."""
    return markdown_blocks(SECTIONS[name](runs))


def _conclusions(runs: Sequence[Run]) -> list[Block]:
    """What each run concluded, its path left out."""
    blocks: list[Block] = []
    for run in runs:
        lines = [
            line.strip() for line in _study(run).conclude(run) if not line.startswith("report ")
        ]
        blocks += [Paragraph(_name(run)), Bullets(tuple(lines))]
    return blocks


def _matrix(runs: Sequence[Run]) -> list[Block]:
    rows = matrix_rows(runs)
    if not rows:
        return [Paragraph("No run that could be compared.")]
    return [Table(COLUMNS, tuple(tuple(row[name] for name in COLUMNS) for row in rows))]


def _tripwires(runs: Sequence[Run]) -> list[Block]:
    rows = [_wire(run, wire) for run in runs for wire in _study(run).tripwires(run)]
    return [Table(("run", "tripwire", "untouched", "measured", "bound", "finding"), tuple(rows))]


def _failures(runs: Sequence[Run]) -> list[Block]:
    found = []
    for run in runs:
        told = _study(run).failures
        found += [f"{_name(run)}: {_inside(run, each)}" for each in (told(run) if told else ())]
    return [Bullets(tuple(found)) if found else Paragraph("Nothing was left out.")]


def _provenance(runs: Sequence[Run]) -> list[Block]:
    rows = []
    for run in runs:
        facts = stored_facts(run)
        made_by: dict[str, Any] = facts.get("provenance") or {}
        versions = made_by.get("versions") or {}
        git = made_by.get("git") or {}
        commit = str(git.get("commit") or "")[:12] + ("+" if git.get("dirty") else "")
        rows.append(
            (
                _name(run),
                str(facts.get("config_fingerprint", ""))[:12],
                *(versions.get(name) for name in ("augury", "torch", "transformers", "python")),
                commit or None,
            )
        )
    columns = ("run", "config", "augury", "torch", "transformers", "Python", "commit")
    return [Table(columns, tuple(rows))]


def _gate(runs: Sequence[Run]) -> list[Block]:
    found = [(run, fault) for run in runs for fault in examine_run(run)]
    *_, verdict = gate_lines(runs, [fault for _, fault in found])
    told = tuple(f"{each.run}: {each.check}: {_inside(run, each.what)}" for run, each in found)
    return [Paragraph(verdict), *([Bullets(told)] if told else [])]


SECTIONS: dict[str, Callable[[Sequence[Run]], list[Block]]] = {
    "conclusions": _conclusions,
    "failures": _failures,
    "gate": _gate,
    "matrix": _matrix,
    "provenance": _provenance,
    "tripwires": _tripwires,
}
"""Every section by its name."""


def _wire(run: Run, wire: Tripwire) -> tuple[CellValue, ...]:
    return (_name(run), wire.name, wire.passed, wire.measured, wire.bound, wire.detail)


def _inside(run: Run, text: str) -> str:
    """A message with the files of the run named from its folder, wherever that is."""
    return text.replace(f"{run.path}/", "")


def _study(run: Run) -> Any:
    return find_study(str(stored_facts(run)["study"]))


def _name(run: Run) -> str:
    return f"{run.path.parent.name}/{run.name}"
