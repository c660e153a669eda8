"""Collection: what a run collected, read back by model, pass, site and position."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from augury.activations.store import Store
from augury.config import load_config
from augury.errors import CheckFailed, MissingInput, UsageError
from augury.runs.folder import Run
from augury.studies.introspection.config import PASSES, POSITIONS, IntrospectionConfig
from augury.targets.confidence import BIN_MIDPOINTS
from augury.traces.tokens import TokenisedTrace, read_tokenised

__all__ = [
    "Collection",
    "answers_path",
    "items_path",
    "prompts_paths",
    "rows_at",
    "store_path",
]


def store_path(run: Run, model: str, pass_: str) -> Path:
    """Where the states of one pass of one model are."""
    return run.path / "data" / "activations" / model / pass_


def answers_path(run: Run, model: str, pass_: str) -> Path:
    """Where the logits of the symbols are."""
    return run.path / "data" / "answers" / f"{model}_{pass_}.jsonl"


def items_path(run: Run, model: str, pass_: str) -> Path:
    """Where the table of the items is."""
    return run.path / "data" / "items" / f"{model}_{pass_}.parquet"


def prompts_paths(run: Run, pass_: str) -> tuple[Path, Path]:
    """Where the prompts of a pass are: their texts, and their tokens."""
    folder = run.path / "data" / "prompts"
    return folder / f"{pass_}_traces.parquet", folder / f"{pass_}_tokens.parquet"


class Collection:
    """Items and states of a finished `collect`; see `Collected`.

    Rows are sorted by question id and are the same questions for every model and pass.

    Raises:
        MissingInput: The run has not collected.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.config = load_config(IntrospectionConfig, run.config_path)
        missing = [
            path
            for model in self.config.models
            for pass_ in self.config.passes
            if not (path := items_path(run, model, pass_)).is_file()
        ]
        if missing:
            raise MissingInput(
                str(missing[0]), found="not collected yet", fix="run the step collect first"
            )
        self._items: dict[tuple[str, str], pl.DataFrame] = {}
        self._stores: dict[tuple[str, str], Store] = {}

    @property
    def models(self) -> tuple[str, ...]:
        return self.config.models

    @property
    def passes(self) -> tuple[str, ...]:
        return tuple(name for name in PASSES if name in self.config.passes)

    @property
    def sites(self) -> tuple[str, ...]:
        return self.store(self.models[0], self.passes[0]).sites

    @property
    def positions(self) -> tuple[str, ...]:
        return POSITIONS

    @property
    def midpoints(self) -> tuple[float, ...]:
        return BIN_MIDPOINTS

    def items(self, model: str, pass_: str) -> pl.DataFrame:
        """One row per question.

        Raises:
            UsageError: No such model or pass.
        """
        self._check(model, pass_)
        if (model, pass_) not in self._items:
            self._items[model, pass_] = pl.read_parquet(items_path(self.run, model, pass_))
        return self._items[model, pass_]

    def store(self, model: str, pass_: str) -> Store:
        """All that was stored, e.g. every token."""
        self._check(model, pass_)
        if (model, pass_) not in self._stores:
            self._stores[model, pass_] = Store.open(store_path(self.run, model, pass_))
        return self._stores[model, pass_]

    def states(self, model: str, pass_: str, site: str, position: str) -> np.ndarray:
        """float32 [question, hidden], rows as in `items`.

        Raises:
            UsageError: No such model, pass, site or position.
            CheckFailed: The store holds another token.
        """
        store = self.store(model, pass_)
        return store[site].numpy(rows_at(store, self.position_index(pass_, position)))

    def prompt_ids(self, model: str, pass_: str) -> list[list[int]]:
        """Tokens of each question's prompt; the same for every model."""
        self._check(model, pass_)
        return [part.ids.tolist() for part in self._tokens[pass_]]

    def position_index(self, pass_: str, position: str) -> np.ndarray:
        """Index of the named token in each prompt, from 0; int [question]."""
        if position not in POSITIONS:
            raise UsageError(
                f"position {position!r}", found="unknown", expected=", ".join(POSITIONS)
            )
        column: np.ndarray = self.items(self.models[0], pass_)[f"{position}_index"].to_numpy()
        return column

    def option_ids(self, pass_: str) -> list[list[list[int]]]:
        """Of each question and option, in the order of `logits`, the token ids of its symbol."""
        told = json.loads((self.run.path / "data" / "symbols.json").read_text(encoding="utf-8"))
        letters = self.items(self.models[0], pass_)["symbols"]
        return [[list(told[letter]) for letter in of_question] for of_question in letters]

    @cached_property
    def _tokens(self) -> dict[str, list[TokenisedTrace]]:
        return {name: read_tokenised(prompts_paths(self.run, name)[1]) for name in self.passes}

    def _check(self, model: str, pass_: str) -> None:
        for what, name, known in (("model", model, self.models), ("pass", pass_, self.passes)):
            if name not in known:
                raise UsageError(
                    f"{what} {name!r}", found="not in this collection", expected=", ".join(known)
                )


def rows_at(store: Store, tokens: np.ndarray) -> np.ndarray:
    """Row of one token of each trace of a store, int [trace].

    Raises:
        CheckFailed: That token was not stored.
    """
    index = store.index
    widest = int(max(index["token"].max(), tokens.max())) + 1
    keys = index["trace"].astype(np.int64) * widest + index["token"]
    wanted = np.arange(len(tokens), dtype=np.int64) * widest + tokens
    rows = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    if len(tokens) != len(store.traces) or not np.array_equal(keys[rows], wanted):
        raise CheckFailed(
            f"store {store.path}",
            found="rows of other tokens",
            expected="the named positions of every question",
            fix="collect again",
        )
    return np.asarray(rows)
