"""Step `inspect`: what was collected looks like: examples, distributions, letters, finiteness."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from augury.activations.store import Store
from augury.report.figure_data import Bar, Bars, BarSeries, Figure, Line, Lines
from augury.report.figures import save
from augury.report.scales import Axis, open_scale, unit_scale
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.studies.introspection.collection import Collection
from augury.studies.introspection.config import LETTERS, IntrospectionConfig
from augury.targets.confidence import BIN_EDGES

__all__ = ["EXAMPLES", "FIGURES", "INSPECTION", "example_lines", "inspect", "told"]

INSPECTION, EXAMPLES = "results/inspection.json", "results/examples.json"
FIGURES = {
    "answer_letters": "Share of answers by letter, beside the share of right ones",
    "answer_entropy": "Share of questions by entropy of the answer",
    "self_letters": "Share of self-confidence answers by letter",
    "self_levels": "Share of self-confidence answers by level",
    "other_letters": "Share of other-confidence answers by letter",
    "other_levels": "Share of other-confidence answers by level",
    "option_mass": "Share of questions with at least so much probability on the symbols",
}
_SHOWN = ("question_id", "question_text", "options", "correct_answer_letter", "parsed_answer")
_NUMBERS = (
    "entropy",
    "full_entropy",
    "option_mass",
    "logit_margin",
    "self_confidence",
    "other_confidence",
)
_MASSES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
_ENTROPIES = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4)


def inspect(run: Run, config: IntrospectionConfig) -> dict[str, object]:
    """Count and draw; nothing is fitted."""
    collection = Collection(run)
    found: dict[str, Any] = {}
    for model, pass_, items in _tables(collection):
        finite = _finiteness(collection.store(model, pass_), items)
        found[f"{model} {pass_}"] = {**_counts(items, pass_), **finite}
    write_json(run.path / INSPECTION, found)
    examples = {
        f"{model} {pass_}": _examples(items, config.show_examples)
        for model, pass_, items in _tables(collection)
    }
    write_json(run.path / EXAMPLES, examples)
    for name, figure in _figures(collection):
        save(figure, run.figures, name)
    bad = sum(int(each["not_finite"]) for each in found.values())
    return {"tables": len(found), "not_finite": bad}


def told(run: Run) -> list[str]:
    """The counts in lines, one for each model and pass."""
    found = json.loads((run.path / INSPECTION).read_text(encoding="utf-8"))
    lines = []
    for name, each in found.items():
        said = ", ".join(
            f"{key} {each[key]:.3g}" for key in ("accuracy", "confidence") if key in each
        )
        lines.append(
            f"{name}: {each['questions']} questions, {said}, "
            f"entropy {each['entropy']['mean']:.3g}, "
            f"option mass {each['option_mass']['mean']:.3g} ({each['gated']} flagged), "
            f"{each['not_finite']} values not finite"
        )
    return lines


def example_lines(run: Run, model: str, pass_: str, count: int) -> Iterator[str]:
    """The first questions of a pass, for a terminal."""
    items = Collection(run).items(model, pass_)
    for example in _examples(items, count):
        yield f"--- {example['question_id']} ({model} {pass_})"
        yield from str(example["prompt_text"]).splitlines()
        rest = {k: v for k, v in example.items() if k not in ("question_text", "prompt_text")}
        yield from (f"{name}: {value}" for name, value in rest.items())


def _tables(collection: Collection) -> Iterator[tuple[str, str, pl.DataFrame]]:
    for model in collection.models:
        for pass_ in collection.passes:
            yield model, pass_, collection.items(model, pass_)


def _counts(items: pl.DataFrame, pass_: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "questions": len(items),
        "groups": items["group"].n_unique(),
        "splits": dict(items["split"].value_counts().sort("split").iter_rows()),
        "gated": int(items["gated"].sum()),
        "letters": _shares(items["parsed_answer"].to_list()),
        "question_types": _shares(items["question_type"].to_list()),
    }
    if pass_ == "mcq":
        found["accuracy"] = float(items["is_correct"].mean())  # type: ignore[arg-type]
        found["right_letters"] = _shares(items["correct_answer_letter"].to_list())
        found["letter_bias"] = _distance(found["letters"], found["right_letters"])
    else:
        found["confidence"] = float(items[f"{pass_}_confidence"].mean())  # type: ignore[arg-type]
        even = dict.fromkeys(sorted(set("".join(items["symbols"].to_list()))), 1 / 8)
        found["letter_bias"] = _distance(found["letters"], even)
    for name in _NUMBERS:
        if name in items.columns:
            found[name] = _spread(items[name].to_numpy())
    return found


def _finiteness(store: Store, items: pl.DataFrame) -> dict[str, Any]:
    """Values that are not finite, in states and in numbers, and the largest state of each site."""
    bad, largest = 0, {}
    for site in store.sites:
        top = 0.0
        for rows in store.rows_by_shard():
            states = store[site].numpy(rows)
            finite = np.isfinite(states)
            bad += int(states.size - finite.sum())
            top = max(top, float(np.abs(states[finite]).max(initial=0.0)))
        largest[site] = top
    numbers = [name for name in _NUMBERS if name in items.columns]
    bad += sum(int((~np.isfinite(items[name].to_numpy())).sum()) for name in numbers)
    return {"not_finite": bad, "largest_state": largest, "rows": store.n_rows}


def _spread(values: np.ndarray) -> dict[str, float]:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return {
        "mean": float(values.mean()),
        "sd": float(values.std()),
        "q05": float(low),
        "median": float(middle),
        "q95": float(high),
    }


def _shares(values: Sequence[str]) -> dict[str, float]:
    counts = Counter(values)
    return {name: counts[name] / len(values) for name in sorted(counts)}


def _distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Total variation: the share that would have to move."""
    names = set(one) | set(other)
    return sum(abs(one.get(name, 0.0) - other.get(name, 0.0)) for name in names) / 2


def _examples(items: pl.DataFrame, count: int) -> list[dict[str, Any]]:
    wanted = [*_SHOWN, "prompt_text", "output_text", "probs", "symbols", "final_token"]
    wanted += [name for name in ("is_correct", *_NUMBERS) if name in items.columns]
    return items.head(count).select(wanted).to_dicts()


def _figures(collection: Collection) -> Iterator[tuple[str, Figure]]:
    confidence = [name for name in collection.passes if name != "mcq"]
    if "mcq" in collection.passes:
        yield "answer_letters", _answer_letters(collection)
        entropy = {m: collection.items(m, "mcq")["entropy"].to_numpy() for m in collection.models}
        yield "answer_entropy", _histogram("Entropy of the answer", "nats", entropy, _ENTROPIES)
    for pass_ in confidence:
        yield f"{pass_}_letters", _by_symbol(collection, pass_)
        yield f"{pass_}_levels", _by_level(collection, pass_)
    yield "option_mass", _masses(collection)


def _answer_letters(collection: Collection) -> Bars:
    first = collection.items(collection.models[0], "mcq")
    series = {"right answers": _shares(first["correct_answer_letter"].to_list())}
    for model in collection.models:
        series[model] = _shares(collection.items(model, "mcq")["parsed_answer"].to_list())
    return _bars(
        "Answers by letter",
        "Share of questions answered with each letter. Options stand in an order that their "
        "question decides, so what departs from the right answers is a liking for letters.",
        "letter",
        list(LETTERS),
        {name: [shares.get(letter, 0.0) for letter in LETTERS] for name, shares in series.items()},
    )


def _by_symbol(collection: Collection, pass_: str) -> Bars:
    letters = sorted(collection.config.confidence.symbols)
    order = collection.config.confidence.order
    means = "the same level everywhere" if order == "fixed" else "another level at each question"
    series = {}
    for model in collection.models:
        shares = _shares(collection.items(model, pass_)["parsed_answer"].to_list())
        series[model] = [shares.get(letter, 0.0) for letter in letters]
    return _bars(
        f"Confidence by letter: {pass_}",
        f"Share of questions at which each letter was the most probable; it means {means}.",
        "letter",
        letters,
        series,
    )


def _by_level(collection: Collection, pass_: str) -> Bars:
    names = [f"{a:g}-{b:g}" for a, b in itertools.pairwise(BIN_EDGES)]
    series = {}
    for model in collection.models:
        bins = collection.items(model, pass_)["confidence_bin"].to_numpy()
        series[model] = (np.bincount(bins, minlength=8) / len(bins)).tolist()
    return _bars(
        f"Confidence by level: {pass_}",
        "Share of questions at which each level was the most probable.",
        "level (percent)",
        names,
        series,
    )


def _masses(collection: Collection) -> Lines:
    lines = []
    for model, pass_, items in _tables(collection):
        mass = items["option_mass"].to_numpy()
        shares = tuple(float((mass >= least).mean()) for least in _MASSES)
        lines.append(Line(f"{model} {pass_}", shares))
    return Lines(
        "Probability on the symbols",
        "Share of questions at which the symbols together hold at least so much probability. Where "
        "they hold little, shares among them are no answers.",
        unit_scale("share of questions"),
        Axis(
            "probability on the symbols, at least",
            tuple(float(i) for i in range(len(_MASSES))),
            tuple(f"{least:g}" for least in _MASSES),
            numeric=False,
        ),
        tuple(lines),
    )


def _histogram(
    title: str, unit: str, values: Mapping[str, np.ndarray], edges: Sequence[float]
) -> Bars:
    """Shares by bins; what lies beyond the last edge is in the last bin."""
    names = [f"{a:g}-{b:g}" for a, b in itertools.pairwise(edges)]
    series = {}
    for name, each in values.items():
        counts = np.histogram(np.clip(each, edges[0], edges[-1]), bins=np.array(edges))[0]
        series[name] = (counts / len(each)).tolist()
    return _bars(
        title, "Share of questions in each bin.", f"{title.lower()} ({unit})", names, series
    )


def _bars(
    title: str, caption: str, axis: str, names: Sequence[str], series: Mapping[str, Sequence[float]]
) -> Bars:
    every = [value for values in series.values() for value in values]
    return Bars(
        title,
        caption,
        open_scale("share of questions", every, low=0.0),
        Axis(axis, tuple(float(i) for i in range(len(names))), tuple(names), numeric=False),
        tuple(
            BarSeries(name, tuple(Bar(value) for value in values))
            for name, values in series.items()
        ),
    )
