"""Step `compare`: two collections, question by question: answers, confidence, states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from augury.errors import DataError
from augury.evaluate.confidence import Stated, compare, measure
from augury.report.blocks import Callout, FigureRef, Section, Table
from augury.report.figure_data import Bar, Bars, BarSeries, Figure, Line, Lines
from augury.report.figures import save
from augury.report.page import page, write_page
from augury.report.scales import Axis, open_scale, site_axis, unit_scale
from augury.report.tables import write_csv
from augury.runs.atomic import write_json
from augury.studies.introspection.collection import Collection

__all__ = ["FIGURES", "Side", "compare_sides", "comparison_sections", "write_comparison"]

FIGURES = {
    "compare_confidence": "Mean stated confidence by whether the answer is right, both sides",
    "compare_states": "Cosine of the states of both sides, by site and position",
    "compare_answers": "How often both sides give the same answer, by pass",
}
_PAIRED = ("entropy", "option_mass", "full_entropy", "logit_margin")
_DRAWS = 1000


@dataclass(frozen=True)
class Side:
    """One model of one collection."""

    name: str
    collection: Collection
    model: str

    def items(self, pass_: str) -> pl.DataFrame:
        """Its items."""
        return self.collection.items(self.model, pass_)


def compare_sides(first: Side, second: Side) -> dict[str, Any]:
    """Pair the questions that both were asked, by id.

    Returns:
        `items`: per pass a table with both sides' answers; `passes`, `confidence` and `states`:
        what the page shows.

    Raises:
        DataError: No question or pass in common, or other prompts.
    """
    passes = [name for name in first.collection.passes if name in second.collection.passes]
    if not passes:
        raise DataError("compare", found="no pass that both collected", expected="at least one")
    items = {pass_: _paired(first, second, pass_) for pass_ in passes}
    return {
        "sides": [first.name, second.name],
        "items": items,
        "passes": [_pass_row(first, second, pass_, items[pass_]) for pass_ in passes],
        "confidence": _confidence(first, second, items),
        "states": [row for pass_ in passes for row in _states(first, second, pass_)],
    }


def write_comparison(found: dict[str, Any], folder: Path) -> list[str]:
    """Write tables and figures below `folder`, and a page of their own; lines that say so."""
    for pass_, items in found["items"].items():
        flat = items.with_columns(pl.col(pl.Boolean).cast(pl.Int8))
        write_csv(folder / "results" / f"compare_{pass_}.csv", flat.columns, list(flat.iter_rows()))
    kept = {name: value for name, value in found.items() if name != "items"}
    write_json(folder / "results" / "compare.json", kept)
    for name, figure in _figures(found):
        save(figure, folder / "figures", name)
    rendered = page(
        f"{found['sides'][0]} and {found['sides'][1]}, question by question",
        comparison_sections(found),
        folder=folder,
    )
    html, _ = write_page(rendered, folder, name="compare")
    lines = [
        f"{row['pass']}: {row['questions']} questions, the same answer to {row['same_answer']:.0%}"
        for row in found["passes"]
    ]
    return [*lines, f"compare {html}"]


def comparison_sections(found: dict[str, Any]) -> list[Section]:
    """What a page shows of a comparison."""
    one, two = found["sides"]
    rows = tuple(
        (
            row["pass"],
            row["questions"],
            row["same_answer"],
            row["entropy"][0],
            row["entropy"][1],
            row["option_mass"][0],
            row["option_mass"][1],
        )
        for row in found["passes"]
    )
    columns = ("pass", "questions", "same answer", *_of(found, "entropy"), *_of(found, "mass"))
    blocks: list[Any] = [
        Table(columns, rows, caption="The same questions, joined by id."),
        FigureRef("compare_answers", FIGURES["compare_answers"]),
    ]
    if any(row["states"] for row in found["passes"]):
        blocks.append(FigureRef("compare_states", FIGURES["compare_states"]))
    sections = [Section(f"{one} and {two}, question by question", blocks)]
    if found["confidence"]:
        sections.append(_confidence_section(found))
    return sections


def _of(found: dict[str, Any], what: str) -> tuple[str, str]:
    return tuple(f"{what}, {name}" for name in found["sides"])  # type: ignore[return-value]


def _paired(first: Side, second: Side, pass_: str) -> pl.DataFrame:
    one, two = first.items(pass_), second.items(pass_)
    both = one.join(two, on="question_id", how="inner", suffix="_2", maintain_order="left")
    if not len(both):
        raise DataError(
            f"compare: pass {pass_}",
            found="no question that both were asked",
            expected="runs over the same questions",
        )
    if not (both["prompt_ids_hash"] == both["prompt_ids_hash_2"]).all():
        other = int((both["prompt_ids_hash"] != both["prompt_ids_hash_2"]).sum())
        raise DataError(
            f"compare: pass {pass_}",
            found=f"other prompts at {other} of {len(both)} questions",
            expected="the same tokens for both",
            fix="collect both with the same questions, prompting and confidence sections",
        )
    stated = [name for name in (f"{pass_}_confidence",) if name in both.columns]
    numbers = [name for name in (*_PAIRED, *stated) if name in both.columns]
    columns = ["question_id", "question_text", "split", "correct_answer_letter"]
    chosen = [*columns, "parsed_answer", "parsed_answer_2"]
    chosen += [name for name in ("is_correct", "is_correct_2") if name in both.columns]
    for name in numbers:
        chosen += [name, f"{name}_2"]
    differences = [(pl.col(f"{n}_2") - pl.col(n)).alias(f"{n}_change") for n in numbers]
    same = (pl.col("parsed_answer") == pl.col("parsed_answer_2")).alias("same_answer")
    return both.select([*chosen, same, *differences])


def _pass_row(first: Side, second: Side, pass_: str, items: pl.DataFrame) -> dict[str, Any]:
    return {
        "pass": pass_,
        "questions": len(items),
        "same_answer": float(items["same_answer"].mean()),  # type: ignore[arg-type]
        "states": _same_states(first, second, pass_),
        **{name: [_mean(items[name]), _mean(items[f"{name}_2"])] for name in _PAIRED[:2]},
    }


def _mean(column: pl.Series) -> float:
    return float(column.mean())  # type: ignore[arg-type]


def _same_states(first: Side, second: Side, pass_: str) -> bool:
    """Whether states can be paired: the same questions in the same order, of the same width."""
    ids = [side.items(pass_)["question_id"].to_list() for side in (first, second)]
    widths = {side.collection.store(side.model, pass_).width("final") for side in (first, second)}
    return ids[0] == ids[1] and len(widths) == 1


def _states(first: Side, second: Side, pass_: str) -> list[dict[str, Any]]:
    if not _same_states(first, second, pass_):
        return []
    sites = [site for site in first.collection.sites if site in second.collection.sites]
    rows = []
    for position in first.collection.positions:
        for site in sites:
            one, two = (
                side.collection.states(side.model, pass_, site, position)
                for side in (first, second)
            )
            lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
            cosine = (one * two).sum(axis=1) / np.maximum(lengths, 1e-30)
            moved = np.linalg.norm(two - one, axis=1) / np.maximum(
                np.linalg.norm(one, axis=1), 1e-30
            )
            rows.append(
                {
                    "pass": pass_,
                    "position": position,
                    "site": site,
                    "cosine": float(cosine.mean()),
                    "moved": float(moved.mean()),
                }
            )
    return rows


def _confidence(first: Side, second: Side, items: dict[str, pl.DataFrame]) -> dict[str, Any]:
    """Stated self-confidence against correctness, on both sides, paired."""
    if "mcq" not in items or "self" not in items:
        return {}
    both = items["mcq"].join(items["self"], on="question_id", suffix="_self", maintain_order="left")
    stated = []
    for end in ("", "_2"):
        right = both[f"is_correct{end}"].to_numpy()
        confidence = both[f"self_confidence{end}"].to_numpy() / 100
        stated.append(Stated(right, confidence, -both[f"entropy{end}"].to_numpy()))
    measured = [measure(each, draws=_DRAWS, seed=0) for each in stated]
    apart = compare(*stated, draws=_DRAWS, permutations=_DRAWS, seed=0)
    return {
        "measures": {
            name: [
                {"value": each.values[name], "interval": _ends(each.intervals[name])}
                for each in measured
            ]
            for name in measured[0].values
        },
        "differences": {
            name: {"value": one.value, "interval": _ends(one.interval), "p": one.p_corrected}
            for name, one in apart.items()
        },
        "by_correctness": [
            [
                _known(each.confidence[each.right]),
                _known(each.confidence[~each.right]),
            ]
            for each in stated
        ],
        "perfect_error": [each.perfect_error for each in measured],
        "questions": len(both),
    }


def _known(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _ends(held: Any) -> list[float] | None:
    return None if held is None else [asdict(held)["low"], asdict(held)["high"]]


def _confidence_section(found: dict[str, Any]) -> Section:
    told = found["confidence"]
    rows = tuple(
        (
            name,
            *(_with_interval(side) for side in told["measures"][name]),
            _with_interval(told["differences"][name]),
            told["differences"][name]["p"],
        )
        for name in told["measures"]
    )
    perfect = ", ".join(f"{each:.3f}" for each in told["perfect_error"])
    caption = (
        f"{told['questions']} questions, 95 % intervals over questions; p for all measures "
        f"together. A calibration error of {perfect} is what exactly true confidence would get by "
        "chance."
    )
    blocks = [
        Table(("measure", *found["sides"], "difference", "p"), rows, caption=caption),
        FigureRef("compare_confidence", FIGURES["compare_confidence"]),
        Callout(
            "note",
            "How to read it",
            ("Each side's confidence is judged against its own answers to the same questions.",),
        ),
    ]
    return Section("Stated self-confidence", blocks)


def _with_interval(told: dict[str, Any]) -> str:
    if told["value"] is None:
        return "undefined"
    ends = told["interval"]
    return f"{told['value']:.3f}" + (f" [{ends[0]:.3f}, {ends[1]:.3f}]" if ends else "")


def _figures(found: dict[str, Any]) -> list[tuple[str, Figure]]:
    figures: list[tuple[str, Figure]] = [("compare_answers", _answers_figure(found))]
    if found["states"]:
        figures.append(("compare_states", _states_figure(found)))
    if found["confidence"]:
        figures.append(("compare_confidence", _confidence_figure(found)))
    return figures


def _answers_figure(found: dict[str, Any]) -> Bars:
    rows = found["passes"]
    return Bars(
        f"Same answer: {found['sides'][0]} and {found['sides'][1]}",
        "Share of questions at which the most probable symbol is the same.",
        unit_scale("share of questions"),
        _names("pass", [row["pass"] for row in rows]),
        (BarSeries("same", tuple(Bar(r["same_answer"], f"n={r['questions']}") for r in rows)),),
    )


def _states_figure(found: dict[str, Any]) -> Lines:
    rows = found["states"]
    sites = list(dict.fromkeys(row["site"] for row in rows))
    names = list(dict.fromkeys((row["pass"], row["position"]) for row in rows))
    lines = tuple(
        Line(
            f"{pass_}, {position}",
            tuple(r["cosine"] for r in rows if (r["pass"], r["position"]) == (pass_, position)),
        )
        for pass_, position in names
    )
    return Lines(
        f"States of {found['sides'][0]} and {found['sides'][1]}",
        "Mean cosine of both sides' states of the same token.",
        open_scale("cosine", [row["cosine"] for row in rows], high=1.0),
        site_axis(sites),
        lines,
    )


def _confidence_figure(found: dict[str, Any]) -> Bars:
    both = found["confidence"]["by_correctness"]
    return Bars(
        "Stated self-confidence by outcome",
        "Mean stated confidence that its own answer is right, where it is right and where it is "
        "not.",
        unit_scale("mean stated confidence"),
        _names("side", found["sides"]),
        (
            BarSeries("answer right", tuple(Bar(side[0]) for side in both)),
            BarSeries("answer wrong", tuple(Bar(side[1]) for side in both)),
        ),
    )


def _names(label: str, names: Sequence[str]) -> Axis:
    return Axis(label, tuple(float(i) for i in range(len(names))), tuple(names), numeric=False)
