"""Constructed collections of answers and states, in which it is known what is readable where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

WIDTH = 24
SITES = ("resid.0", "resid.1", "resid.2")
POSITIONS = ("question_end", "final")
PASSES = ("mcq", "self", "other")
Where = tuple[str, str, str, str]
"""Model, pass, site, position."""


def axis(number: int) -> np.ndarray:
    return np.eye(WIDTH)[number]


@dataclass(eq=False)
class World:
    """A `Collected` in memory. `signals` add values [question] along directions [hidden]."""

    tables: Mapping[tuple[str, str], pl.DataFrame]
    signals: Mapping[Where, tuple[tuple[np.ndarray, np.ndarray], ...]] = field(default_factory=dict)
    seed: int = 0
    sites: tuple[str, ...] = SITES
    midpoints: tuple[float, ...] = (2.5, 7.5, 15.0, 30.0, 50.0, 70.0, 85.0, 95.0)
    positions: tuple[str, ...] = POSITIONS

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(model for model, _ in self.tables))

    @property
    def passes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(pass_ for _, pass_ in self.tables))

    def items(self, model: str, pass_: str) -> pl.DataFrame:
        return self.tables[model, pass_]

    def states(self, model: str, pass_: str, site: str, position: str) -> np.ndarray:
        where = (model, pass_, site, position)
        key = [self.seed, *"/".join(where).encode()]
        table = self.items(model, pass_)
        out = np.random.default_rng(key).standard_normal((len(table), WIDTH)) + 3.0
        # The length of the question is everywhere, as in real prompts.
        out += 2 * standard(table["char_length"].to_numpy())[:, None] * axis(WIDTH - 1)
        for values, direction in self.signals.get(where, ()):
            out += values[:, None] * direction
        return out.astype(np.float32)

    def prompt_ids(self, model: str, pass_: str) -> list[list[int]]:
        raise NotImplementedError("no model made these states")

    def position_index(self, pass_: str, position: str) -> np.ndarray:
        raise NotImplementedError("no model made these states")

    def option_ids(self, pass_: str) -> list[list[list[int]]]:
        raise NotImplementedError("no model made these states")


def standard(values: np.ndarray) -> np.ndarray:
    return np.asarray((values - values.mean()) / (values.std() or 1.0))


def frame(
    pass_: str,
    columns: Mapping[str, np.ndarray],
    *,
    lengths: np.ndarray,
    groups: np.ndarray | None = None,
) -> pl.DataFrame:
    """Items with 55 % of the questions for training and a fifth for validation."""
    count = len(lengths)
    number = np.arange(count)
    group = number if groups is None else groups
    turn = group % 20
    split = np.where(turn < 11, "train", np.where(turn < 15, "validation", "test"))
    words = np.random.default_rng(5).integers(0, 40, (count, 6))
    texts = [" ".join(f"word{w}" for w in row) for row in words]
    return pl.DataFrame(
        {
            "question_id": [f"q{n:04d}" for n in number],
            "group": [f"g{n:04d}" for n in group],
            "question_text": texts,
            "char_length": lengths,
            "token_length": lengths // 4,
            "question_type": [("what", "who", "none")[n % 3] for n in number],
            "has_negation": number % 7 == 0,
            "has_ambiguity": number % 11 == 0,
            "rarity_mean": np.random.default_rng(6).random(count),
            "rarity_max": np.random.default_rng(7).random(count),
            "option_mass": np.full(count, 0.97),
            "split": split,
            **columns,
        }
    )


@dataclass(eq=False)
class Truth:
    """What every question is like, whoever is asked."""

    knows: np.ndarray
    """Standard normal: how well the model knows it."""
    easy: np.ndarray
    """Standard normal: how easy it looks to anybody."""
    lengths: np.ndarray
    rng: np.random.Generator


def truth(count: int = 300, *, seed: int = 0) -> Truth:
    rng = np.random.default_rng(seed)
    return Truth(
        rng.standard_normal(count),
        rng.standard_normal(count),
        rng.integers(20, 200, count),
        rng,
    )


def answers(of: Truth, self_: np.ndarray, other: np.ndarray) -> dict[str, pl.DataFrame]:
    """Tables of the three passes: skewed entropies that fall with what is known, correctness that
    follows it, and stated confidences from standard normal values."""
    knows = of.knows
    entropy = 1.38 / (1 + np.exp(2 * knows + 1))
    chance = 1 / (1 + np.exp(-1.5 * knows - 0.5))
    right = of.rng.random(len(knows)) < chance
    mcq = {
        "entropy": entropy,
        "is_correct": right,
        "logit_margin": np.where(right, 1, -1) * (0.2 + np.abs(knows)),
    }
    stated = {name: 100 / (1 + np.exp(-x)) for name, x in (("self", self_), ("other", other))}
    tables = {"mcq": frame("mcq", mcq, lengths=of.lengths)}
    for name, values in stated.items():
        tables[name] = frame(name, {f"{name}_confidence": values}, lengths=of.lengths)
    return tables
