"""The report's table of planted truth: do the sentences come out important that must?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from augury.report.blocks import Paragraph, Section, Table
from augury.rollouts.planted import TOGETHER

__all__ = ["planted_line", "planted_section"]

_COLUMNS = (
    "sentences",
    "n (problems)",
    "AUROC [95 %]",
    "p",
    "size",
    "unmarked",
    "signed [95 %]",
)


def planted_section(rows: Sequence[Mapping[str, Any]], estimator: str) -> Section:
    """The kinds of sentences whose part the grammar knows, under one importance.

    Args:
        rows: `augury.rollouts.planted.PlantedResult` in plain form; none where nothing is known.
        estimator: Whose rows are shown.
    """
    own = [row for row in rows if row["estimator"] == estimator]
    if not own:
        return Section("What was planted", [])
    caption = (
        "AUROC: chance that such a sentence has the larger importance, whatever its sign, than an "
        "unmarked one near it; mean over problems. p: marks rotated within their problem, one-"
        f"sided. Signed: above 0, the sentence helps. By the {estimator} importance, which labels "
        "the sentences, unless another one is named."
    )
    others = [row for row in rows if row["kind"] == TOGETHER and row["estimator"] != estimator]
    told = tuple(
        (
            row["kind"] if row in own else f"these, {row['estimator']}",
            f"{row['sentences']} ({row['problems']})",
            _scored(row, "auroc", ".2f"),
            row["p"],
            row["size"],
            row["size_unmarked"],
            _scored(row, "signed", "+.2f"),
        )
        for row in [*own, *others]
    )
    opening = (
        "The embedded model's grammar knows which sentences slip, raise the alarm and correct: "
        "what decides the answer is known before any importance is measured."
    )
    return Section("What was planted", [Paragraph(opening), Table(_COLUMNS, told, caption=caption)])


def planted_line(rows: Sequence[Mapping[str, Any]], estimator: str) -> str:
    """Whether all that was planted comes out important, in one line; empty where nothing was.

    Other importances of the same rollouts stand behind the one that the study labels by.
    """
    told = {row["estimator"]: _found(row) for row in rows if row["kind"] == TOGETHER}
    if estimator not in told:
        return ""
    others = "".join(f"; {name} {found}" for name, found in told.items() if name != estimator)
    return (
        f"planted: {TOGETHER} against unmarked sentences near them, AUROC of the {estimator} "
        f"importance {told[estimator]}{others}"
    )


def _found(row: Mapping[str, Any]) -> str:
    return f"{_scored(row, 'auroc', '.3f')}, p {row['p']:.3g}"


def _scored(row: Mapping[str, Any], name: str, spec: str) -> str:
    held = row[f"{name}_interval"]
    interval = f" [{held['low']:{spec}}, {held['high']:{spec}}]" if held else ""
    return f"{row[name]:{spec}}{interval}"
