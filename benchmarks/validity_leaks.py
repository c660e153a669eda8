"""Leaks put into null worlds on purpose: which check stops them, and what they would have shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from validity_worlds import World, cells_of, null_world

from augury.errors import DataError
from augury.evaluate.contract import judge_grid
from augury.evaluate.metrics import auroc
from augury.evaluate.records import CellScores
from augury.targets.splits import Split, assert_no_overlap, three_way
from augury.traces.trace import Trace

_BLOCK = 10


def token_split_is_caught(seed: int) -> bool:
    """Rows of one trace in train and in test: `judge_grid` refuses the grid by name."""
    cells = cells_of(_tokens_dealt(null_world(seed), seed, run=1))
    try:
        judge_grid(cells, draws=2, permutations=19, seed=seed)
    except DataError as error:
        return ": group" in str(error) and "in split" in str(error)
    return False


def hidden_token_split_is_caught(seed: int) -> bool:
    """The same, with every token declared a group: its trace stands in many groups."""
    cells = cells_of(_tokens_dealt(null_world(seed), seed, run=1))
    hidden = [replace(cell, groups=np.arange(len(cell.labels))) for cell in cells]
    try:
        judge_grid(hidden, draws=2, permutations=19, seed=seed)
    except DataError as error:
        return ": trace" in str(error) and "in group" in str(error)
    return False


def disguised_split_is_predictive(seed: int) -> bool:
    """Pieces of ten tokens declared traces and groups: no check can know; does a cell pass?"""
    dealt = _tokens_dealt(null_world(seed), seed, run=_BLOCK)
    piece = np.cumsum(dealt.position % _BLOCK == 0) - 1
    cells = cells_of(replace(dealt, trace=piece))
    results = judge_grid(cells, draws=2, permutations=199, seed=seed)
    return any(result.verdict.startswith("predictive") for result in results)


def same_text_is_caught(seed: int) -> bool:
    """Every text stands in two groups, the second time with other case and white space."""
    world = null_world(seed)
    words = np.split(world.token.astype(str), np.flatnonzero(np.diff(world.trace)) + 1)
    traces = [
        trace
        for number, word in enumerate(words)
        for trace in (
            Trace(f"{number} one", f"book {number}", "", "Id " + " ".join(word)),
            Trace(f"{number} two", f"copy {number}", "", "ID\n" + "  ".join(word)),
        )
    ]
    groups = [trace.group for trace in traces]
    split = three_way(groups, [0] * len(groups), seed=seed)
    return _refused(traces, split) and not _refused(traces[::2], split)


def aurocs(seed: int) -> tuple[float, float]:
    """Mean test AUROC of the cells, split by trace and split by token: what the leak is worth."""
    world = null_world(seed)
    return _mean_auroc(cells_of(world)), _mean_auroc(cells_of(_tokens_dealt(world, seed, run=1)))


def _refused(traces: list[Trace], split: Split) -> bool:
    try:
        assert_no_overlap(traces, split)
    except DataError as error:
        return "the same text on two sides" in str(error)
    return False


def _tokens_dealt(world: World, seed: int, *, run: int) -> World:
    """The world with runs of tokens dealt to train, validation and test, whatever their trace."""
    rng = np.random.default_rng((seed, 7))
    piece = np.cumsum(world.position % run == 0) - 1
    return replace(world, side=rng.choice(3, piece[-1] + 1, p=[0.5, 0.2, 0.3])[piece])


def _mean_auroc(cells: list[CellScores]) -> float:
    found = [auroc(c.labels[c.split == 2], c.scores[c.split == 2]).value for c in cells]
    return float(np.mean([value for value in found if value is not None]))
