"""The questions of a collection, one per group, with what is to be explained and what is known.

Questions with the same text are one group, so one of them speaks for it; then every row counts
alike, in resamples and in permutations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from augury.errors import DataError
from augury.evaluate.cells import TEST, TRAIN, VALIDATION
from augury.shapes import Labels, RowScores
from augury.studies.introspection.collected import Collected

__all__ = ["FEWEST_ON_OPTIONS", "QUANTITY", "TARGETS", "Questions", "read_questions"]

FEWEST_ON_OPTIONS = 0.5
"""Where less of the probability than this lies on the options, what they hold is no answer."""

_SIDES = {"train": TRAIN, "validation": VALIDATION, "test": TEST}

TARGETS: Mapping[str, tuple[str, str]] = {
    "entropy": ("mcq", "entropy"),
    "correct": ("mcq", "is_correct"),
    "margin": ("mcq", "logit_margin"),
    "self_confidence": ("self", "self_confidence"),
    "other_confidence": ("other", "other_confidence"),
}
"""What is to be explained: its pass, and its column there."""

QUANTITY = {"mcq": "entropy", "self": "self_confidence", "other": "other_confidence"}
"""What each pass says of certainty; entropy with its sign turned."""

_NUMBERS = ("char_length", "token_length", "rarity_mean", "rarity_max")
_FLAGS = ("has_negation", "has_ambiguity")


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """What the analyses read, row by row the same questions."""

    collected: Collected
    keep: Int[np.ndarray, " row"]
    """Place of each row among the collection's questions: the first of its group."""
    side: Int[np.ndarray, " row"]
    """0 train, 1 validation, 2 test."""
    surface: Float[np.ndarray, "row feature"]
    """Lengths, rarity, negation, ambiguity, and the kind of question: what needs no model."""
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keep)

    def on(self, side: int) -> Labels:
        """Which rows are on a side."""
        return np.asarray(self.side == side)

    def items(self, model: str, pass_: str) -> pl.DataFrame:
        """The items of these rows."""
        return self.collected.items(model, pass_)[self.keep]

    def states(self, model: str, pass_: str, site: str, position: str) -> np.ndarray:
        """float32 [row, hidden]."""
        return np.asarray(self.collected.states(model, pass_, site, position)[self.keep])

    def targets(self, model: str) -> dict[str, RowScores]:
        """The targets of the passes that were collected, whose answers lie on the options."""
        return {
            name: self._column(model, pass_, column)
            for name, (pass_, column) in TARGETS.items()
            if self.answered(model, pass_)
        }

    def certainty(self, model: str, pass_: str) -> RowScores:
        """What the pass says of certainty, higher is surer.

        Minus the entropy of the answer in nats, or the stated confidence from 0 to 100.
        """
        values = self._column(model, pass_, QUANTITY[pass_])
        return -values if pass_ == "mcq" else values

    def symbols(self, model: str, pass_: str) -> Float[np.ndarray, "row symbol"]:
        """Confidence in per cent that each symbol stands for, question by question.

        A model that likes a letter, and knows nothing, states a confidence that is linear in these.
        No column for answers, and where every question has the same scale.
        """
        items = self.items(model, pass_)
        if pass_ == "mcq" or "symbols" not in items.columns:
            return np.zeros((len(self), 0))
        scales = items["symbols"].to_list()
        middle = self.collected.midpoints
        worth = [dict(zip(scale, middle, strict=True)) for scale in scales]
        found = np.array([[one[letter] for letter in sorted(scales[0])] for one in worth])
        return np.asarray(found[:, np.ptp(found, axis=0) > 0])

    def beyond_symbols(self, model: str, pass_: str) -> RowScores:
        """`certainty` less what the symbols tell of it, fitted on training questions.

        Else a direction of high confidence would be one of a scale that suits a favourite letter.
        """
        values, features = self.certainty(model, pass_), self.symbols(model, pass_)
        train = self.on(TRAIN)
        if not features.shape[1]:
            return values
        centred = features - features[train].mean(axis=0)
        slope = np.linalg.lstsq(centred[train], values[train] - values[train].mean(), rcond=None)[0]
        return np.asarray(values - centred @ slope)

    def on_options(self, model: str, pass_: str) -> float:
        """Share of the rows whose options hold at least half of the probability."""
        mass = self._column(model, pass_, "option_mass")
        return float(np.mean(mass >= FEWEST_ON_OPTIONS))

    def answered(self, model: str, pass_: str) -> bool:
        """Whether a pass was collected, and most of its answers are answers."""
        if pass_ not in self.collected.passes:
            return False
        return self.on_options(model, pass_) >= FEWEST_ON_OPTIONS

    def _column(self, model: str, pass_: str, column: str) -> RowScores:
        values = self.items(model, pass_)[column].cast(pl.Float64).to_numpy()
        if not np.isfinite(values).all():
            found = f"{int((~np.isfinite(values)).sum())} values that are not finite"
            raise DataError(f"{column} of {model}, pass {pass_}", found=found, expected="numbers")
        return np.asarray(values, dtype=np.float64)


def read_questions(collected: Collected) -> Questions:
    """Take one question per group.

    Raises:
        DataError: A split is none of train, validation and test; models or passes do not have the
            same questions in the same order.
    """
    items = collected.items(collected.models[0], collected.passes[0])
    for model in collected.models:
        for pass_ in collected.passes:
            _check_same(items, collected.items(model, pass_), f"items of {model}, pass {pass_}")
    keep = np.sort(np.unique(items["group"].to_numpy(), return_index=True)[1])
    kept = items[keep]
    unknown = set(kept["split"].unique()) - set(_SIDES)
    if unknown:
        raise DataError("split", found=f"{sorted(unknown)}", expected=", ".join(_SIDES))
    side = np.array([_SIDES[split] for split in kept["split"]], dtype=np.int64)
    return Questions(collected, keep, side, _surface(kept), tuple(kept["question_text"]))


def _check_same(first: pl.DataFrame, other: pl.DataFrame, where: str) -> None:
    if first["question_id"].to_list() != other["question_id"].to_list():
        raise DataError(
            where,
            found="other questions, or another order",
            expected="the same rows for every model and pass",
            fix="collect again",
        )


def _surface(items: pl.DataFrame) -> np.ndarray:
    def numbers(name: str) -> np.ndarray:
        known = items[name].cast(pl.Float64).fill_nan(None).fill_null(strategy="mean")
        return known.fill_null(0.0).to_numpy()

    kinds = items["question_type"].fill_null("none").to_numpy()
    columns = [np.log1p(np.maximum(numbers(name), 0)) for name in _NUMBERS[:2]]
    columns += [numbers(name) for name in (*_NUMBERS[2:], *_FLAGS)]
    columns += [(kinds == kind).astype(np.float64) for kind in sorted(set(kinds))]
    return np.column_stack(columns)
