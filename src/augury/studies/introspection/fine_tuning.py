"""Base against adapter: is what the adapted model states of itself truer?"""

from __future__ import annotations

from dataclasses import dataclass

from augury.evaluate.confidence import Difference, Measured, Stated, compare, measure
from augury.studies.introspection.analysis_config import AnalysisConfig
from augury.studies.introspection.questions import Questions

__all__ = ["Calibration", "calibration"]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Stated self-confidence of every model against its own answers."""

    models: dict[str, Measured]
    differences: dict[str, Difference]
    """Adapter less base by measure, on the same questions; empty without an adapter."""


def calibration(questions: Questions, config: AnalysisConfig) -> Calibration:
    """Measure every model of which the answers and self-confidences lie on the options.

    Nothing is fitted, so all questions count.
    """
    stated = {
        model: Stated(
            questions.targets(model)["correct"] > 0.5,
            questions.certainty(model, "self") / 100,
            questions.certainty(model, "mcq"),
        )
        for model in questions.collected.models
        if questions.answered(model, "mcq") and questions.answered(model, "self")
    }
    found = {
        model: measure(one, draws=config.draws, seed=config.seed) for model, one in stated.items()
    }
    differences = {}
    if {"base", "adapter"} <= set(stated):
        differences = compare(
            stated["base"],
            stated["adapter"],
            draws=config.draws,
            permutations=config.permutations,
            seed=config.seed,
        )
    return Calibration(found, differences)
