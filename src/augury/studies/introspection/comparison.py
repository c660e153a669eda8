"""Two collections question by question: answers, confidence, states."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from augury.errors import DataError
from augury.evaluate.confidence import Stated, compare, measure
from augury.studies.introspection.collection import Collection

__all__ = ["Side", "compare_sides"]

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
    """Stated self-confidence against correctness, on both sides, paired.

    Empty where a pass was not collected, or where at most questions of some side the symbols hold
    too little probability: what they share out among them is then no answer.
    """
    if "mcq" not in items or "self" not in items:
        return {}
    least = first.collection.config.gate.least_mass
    masses = [items[p][f"option_mass{end}"] for p in ("mcq", "self") for end in ("", "_2")]
    if any(float((mass < least).mean()) > 0.5 for mass in masses):  # type: ignore[arg-type]
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
