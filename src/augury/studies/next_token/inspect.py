"""Stage `inspect`: look at what was prepared before anything is read or fitted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np

from augury.errors import CheckFailed
from augury.models.load import LoadedModel, load_model
from augury.models.read import read_rows
from augury.report.tables import CellValue
from augury.report.text_table import text_table
from augury.runs.atomic import write_json, write_text
from augury.runs.folder import Run
from augury.runs.progress import printable
from augury.studies.next_token.config import NextTokenConfig
from augury.studies.next_token.prepare import FACTS, target_ids
from augury.studies.next_token.rows import SIDES, BookRows, load_rows
from augury.studies.reading import sample_of
from augury.targets.near_duplicates import near_duplicates, sketch

__all__ = ["INSPECTION", "INSPECTION_TEXT", "inspect_books", "read_inspection"]

INSPECTION, INSPECTION_TEXT = "results/inspection.json", "results/inspection.txt"

_SAMPLES, _BEFORE, _AFTER = 5, 24, 3
_LARGEST_FLOAT16 = 65_504.0


@dataclass(frozen=True, slots=True)
class _Check:
    name: str
    passed: bool
    detail: str


def inspect_books(run: Run, config: NextTokenConfig) -> dict[str, object]:
    """Write statistics, balance, samples and checks; as text and as JSON.

    Raises:
        CheckFailed: A check failed; the message names it, and the file tells all.
    """
    rows, ids = load_rows(run, config), target_ids(config)
    loaded = load_model(config.named_model)
    facts = json.loads((run.path / FACTS).read_text(encoding="utf-8"))
    labels, use = rows.labels(ids.values(), config.targets.horizons)
    largest = _largest_states(loaded, rows, config)
    checks = _checks(rows, config, loaded, largest)
    lines = [
        f"{facts['books']} books, {facts['passages']} passages, {facts['windows']} windows of at "
        f"most {config.books.context} tokens, {facts['tokens']} tokens, "
        f"{'one beginning-of-text token in each window' if facts['bos'] else 'no added token'}",
        "target " + ", ".join(f"{text!r} (id {number})" for text, number in ids.items()),
        *(
            f"{pair['first']} and {pair['second']} share {pair['shared']:.0%}: kept together"
            for pair in facts["near_duplicates"]
        ),
        "",
        *text_table(_BALANCE, _balance(rows, labels, use, config)),
        "",
        *_samples(rows, labels, use, config),
        "",
        *text_table(("site", "largest state", "fits float16"), _sizes(largest)),
        "",
        *(f"{'ok  ' if check.passed else 'FAIL'} {check.name}: {check.detail}" for check in checks),
    ]
    write_text(run.path / INSPECTION_TEXT, "\n".join(printable(line) for line in lines) + "\n")
    write_json(
        run.path / INSPECTION,
        {
            "target_ids": ids,
            "balance": [
                dict(zip(_BALANCE, row, strict=True)) for row in _balance(rows, labels, use, config)
            ],
            "largest_states": largest,
            "checks": [asdict(check) for check in checks],
        },
    )
    failed = [check for check in checks if not check.passed]
    if failed:
        raise CheckFailed(
            f"inspect: {failed[0].name}", found=failed[0].detail, expected="a check that passes"
        )
    return {"checks": len(checks)}


def read_inspection(run: Run) -> Sequence[str]:
    """The lines that `inspect_books` wrote."""
    return (run.path / INSPECTION_TEXT).read_text(encoding="utf-8").splitlines()


_BALANCE = ("side", "horizon", "books", "rows that count", "with the target", "share")


def _balance(
    rows: BookRows, labels: np.ndarray, use: np.ndarray, config: NextTokenConfig
) -> list[tuple[CellValue, ...]]:
    out: list[tuple[CellValue, ...]] = []
    for side, name in enumerate(SIDES):
        for number, horizon in enumerate(config.targets.horizons):
            here = use[:, number] & (rows.side == side)
            hits = int((labels[:, number] & here).sum())
            total, books = int(here.sum()), len(np.unique(rows.book[here]))
            out.append((name, horizon, books, total, hits, hits / total if total else None))
    return out


def _samples(
    rows: BookRows, labels: np.ndarray, use: np.ndarray, config: NextTokenConfig
) -> list[str]:
    """Decoded text around a few rows with and without the target, at the first horizon."""
    rng = np.random.default_rng(config.probe.seed)
    train = use[:, 0] & (rows.side == 0)
    horizon = config.targets.horizons[0]
    lines = [f"samples; the state is read at the end of [...], the target is asked at h={horizon}"]
    for name, wanted in (("with", labels[:, 0]), ("without", ~labels[:, 0])):
        found = np.flatnonzero(train & wanted)
        for row in rng.choice(found, min(_SAMPLES, len(found)), replace=False):
            lines.append(f"{name:8}{_around(rows, int(row))}")
    return lines


def _around(rows: BookRows, row: int) -> str:
    part = rows.parts[int(rows.part[row])]
    text, at = rows.traces[part.trace_id].text, int(rows.token[row])
    first, last = max(0, at - _BEFORE), min(len(part.ids) - 1, at + _AFTER)
    before = text[int(part.starts[first]) : int(part.starts[at])]
    read = text[int(part.starts[at]) : int(part.ends[at])]
    after = text[int(part.ends[at]) : int(part.ends[last])]
    return "\u21b5".join(f"{before}[{read}]{after}".split("\n"))


def _largest_states(
    loaded: LoadedModel, rows: BookRows, config: NextTokenConfig
) -> dict[str, float | None]:
    """Largest size of a coordinate by site, over a few windows; None where one is not finite."""
    parts = sample_of(rows.parts)
    plan = config.plan(loaded.depth)
    kept = [np.arange(len(part.ids), dtype=np.int32) for part in parts]
    states = read_rows(loaded, [part.ids for part in parts], kept, plan.sites)
    sizes = {site: float(value.abs().max()) for site, value in states.items()}
    return {site: size if np.isfinite(size) else None for site, size in sizes.items()}


def _sizes(largest: Mapping[str, float | None]) -> list[tuple[CellValue, ...]]:
    return [
        (site, size, size is not None and size <= _LARGEST_FLOAT16)
        for site, size in largest.items()
    ]


def _checks(
    rows: BookRows,
    config: NextTokenConfig,
    loaded: LoadedModel,
    largest: Mapping[str, float | None],
) -> list[_Check]:
    size = int(loaded.model.get_input_embeddings().num_embeddings)
    every = np.concatenate([part.ids for part in rows.parts])
    low, high = int(every.min()), int(every.max())
    bos = loaded.tokenizer.bos_token_id
    doubled = sum(part.ids[:2].tolist() == [bos, bos] for part in rows.parts)
    mixed = sum(part.group != rows.traces[part.trace_id].group for part in rows.parts)
    return [
        _Check("ids are in the vocabulary", 0 <= low and high < size, f"{low} to {high} of {size}"),
        _Check("one beginning-of-text token at most", not doubled, f"{doubled} windows with two"),
        _Check("no window holds two books", not mixed, f"{mixed} windows"),
        _apart(rows, config),
        _Check(
            "states are finite",
            None not in largest.values(),
            f"largest {max(size or 0.0 for size in largest.values()):.4g}, in {loaded.dtype}",
        ),
    ]


def _apart(rows: BookRows, config: NextTokenConfig) -> _Check:
    """No book of one side is nearly one of another, measured again on what was kept."""
    side_of = {}
    texts: dict[str, list[str]] = {}
    for part, side in zip(rows.parts, _side_of_parts(rows), strict=True):
        side_of[part.group] = side
    for trace in rows.traces.values():
        texts.setdefault(trace.group, []).append(trace.completion)
    sketches = {book: sketch("\n".join(each)) for book, each in texts.items()}
    pairs = near_duplicates(sketches, least=config.books.near_duplicate)
    across = [pair for pair in pairs if side_of[pair.first] != side_of[pair.second]]
    found = ", ".join(f"{p.first} and {p.second} ({p.shared:.0%})" for p in across[:3])
    detail = found or f"{len(texts)} books, {len(list(combinations(SIDES, 2)))} pairs of sides"
    return _Check("no book is nearly one of another side", not across, detail)


def _side_of_parts(rows: BookRows) -> np.ndarray:
    sides = np.full(len(rows.parts), -1)
    sides[rows.part] = rows.side
    return sides
