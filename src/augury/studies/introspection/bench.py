"""The bench: a model at the confidence position, and at its controls, under any edit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from augury.causal.edits import Edit
from augury.causal.gates import Gate, share_gate
from augury.causal.options import NextTokens, OptionBench
from augury.errors import CheckFailed
from augury.evaluate.cells import TEST, VALIDATION
from augury.models.load import LoadedModel
from augury.shapes import RowScores
from augury.studies.introspection.analysis_config import CausalConfig
from augury.studies.introspection.questions import FEWEST_ON_OPTIONS, Questions

__all__ = ["CONFIDENCE", "Asked", "ConfidenceBench"]

CONFIDENCE = "self"
"""The pass that is steered."""
_POSITION = "final"
_CONTROLS = 40
_AGREE = 1.0
"""Points of confidence that reading again may be off: batches differ, and so do their last bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What the model states under some edits."""

    confidence: Float[np.ndarray, " unit"]
    """Expected confidence, 0 to 100."""
    on_options: Float[np.ndarray, " unit"]
    """Probability of all option symbols together."""


class ConfidenceBench:
    """Held-out questions at the confidence position: the units that are edited.

    Args:
        questions: The collection.
        model: Its name there.
        loaded: The same model.
        config: How many questions, and what an edit may cost.
        seed: Of their choice.

    Raises:
        CheckFailed: The model does not state what was collected.
    """

    def __init__(
        self,
        questions: Questions,
        model: str,
        loaded: LoadedModel,
        config: CausalConfig,
        *,
        seed: int,
    ) -> None:
        self._questions, self.model, self._config = questions, model, config
        self.rows = _units(questions, config.most, seed)
        self.side = questions.side[self.rows]
        collected, at = questions.collected, questions.keep[self.rows]
        prompts = collected.prompt_ids(model, CONFIDENCE)
        ends = collected.position_index(CONFIDENCE, _POSITION)
        options = collected.option_ids(CONFIDENCE)
        texts = [np.array(prompts[i][: ends[i] + 1]) for i in at]
        self._bench = OptionBench(loaded, texts, [options[i] for i in at])
        self._midpoints = np.array(collected.midpoints)
        self._control = _Controls(questions, model, loaded, self.rows[:_CONTROLS])
        self.clean = self.ask()
        self.beyond_symbols = questions.beyond_symbols(model, CONFIDENCE)[self.rows]
        """What was stated, less what the symbols tell of it."""
        self._check(questions.certainty(model, CONFIDENCE)[self.rows])

    def states(self, site: str) -> Float[np.ndarray, "row hidden"]:
        """States of all questions at the confidence position."""
        return self._questions.states(self.model, CONFIDENCE, site, _POSITION)

    def ask(self, edits: Sequence[Edit] = ()) -> Asked:
        """What every unit states under edits at the confidence position."""
        log_mass = self._bench.log_masses(edits)
        total = np.exp(log_mass).sum(axis=1)
        shares = np.exp(log_mass - np.logaddexp.reduce(log_mass, axis=1, keepdims=True))
        return Asked(shares @ self._midpoints, total)

    def gates(self, asked: Asked, edits: Sequence[Edit]) -> tuple[Gate, ...]:
        """What edits cost: here, at the answers, and where neither is due.

        Args:
            asked: What they gave at the confidence position.
            edits: The same, to be made at the controls; they must not know texts by number.
        """
        config = self._config
        lost = share_gate(
            "fall of the share on the options",
            self.clean.on_options >= FEWEST_ON_OPTIONS,
            asked.on_options >= FEWEST_ON_OPTIONS,
            config.mass_drop,
        )
        return (lost, *self._control.gates(edits, config))

    def _check(self, stated: RowScores) -> None:
        off = float(np.abs(self.clean.confidence - stated).max())
        if off > _AGREE:
            raise CheckFailed(
                f"confidence of {self.model}",
                found=f"up to {off:.2g} points from what was collected",
                expected=f"at most {_AGREE}",
                fix="analyse with the model, adapter and number type of the collection",
            )


class _Controls:
    """Where an edit should change little: the answers, and the ends of the questions."""

    def __init__(
        self, questions: Questions, model: str, loaded: LoadedModel, rows: Int[np.ndarray, " unit"]
    ) -> None:
        collected, at = questions.collected, questions.keep[rows]
        prompts = collected.prompt_ids(model, "mcq")
        ends = collected.position_index("mcq", _POSITION)
        symbols = collected.option_ids("mcq")
        items = collected.items(model, "mcq")[at]
        self._correct = items["correct_option"].to_numpy()
        self._answers = OptionBench(
            loaded, [np.array(prompts[i][: ends[i] + 1]) for i in at], [symbols[i] for i in at]
        )
        stops = collected.position_index("mcq", "question_end")
        spared = {
            number
            for of_question in collected.option_ids(CONFIDENCE)
            for ids in of_question
            for number in ids
        }
        self._elsewhere = NextTokens(
            loaded, [np.array(prompts[i][: stops[i] + 1]) for i in at], apart_from=spared
        )
        self._right = self._answered([])

    def gates(self, edits: Sequence[Edit], config: CausalConfig) -> tuple[Gate, ...]:
        right = self._answered(edits)
        fall = share_gate("fall of accuracy", self._right, right, config.accuracy_drop)
        kl = Gate("KL at question ends", self._elsewhere.divergence(edits), config.control_kl)
        return fall, kl

    def _answered(self, edits: Sequence[Edit]) -> np.ndarray:
        return np.asarray(self._answers.log_masses(edits).argmax(axis=1) == self._correct)


def _units(questions: Questions, most: int, seed: int) -> Int[np.ndarray, " unit"]:
    """Questions on which no direction was fitted: of validation a third of `most`, else of test."""
    rng = np.random.default_rng(seed)
    picked = []
    for side, count in ((VALIDATION, most // 3), (TEST, most - most // 3)):
        rows = rng.permutation(np.flatnonzero(questions.on(side)))
        picked.append(np.sort(rows[:count]))
    return np.concatenate(picked)
