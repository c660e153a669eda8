"""Day 4: does stated self-confidence follow the model's own entropy beyond what it says of others?

A question that looks hard to anybody makes both confidences fall. Only what self-confidence knows
of the model's own entropy beyond the confidence in others is about the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augury.evaluate.partial_rank import PartialRank, partial_rank
from augury.studies.introspection.analysis_config import AnalysisConfig
from augury.studies.introspection.questions import Questions

__all__ = ["SelfOther", "self_and_other"]


@dataclass(frozen=True, slots=True)
class SelfOther:
    """Rank correlations of one model's stated confidences with its own certainty."""

    model: str
    self_alone: PartialRank
    """Self-confidence and minus the entropy of the answer."""
    other_alone: PartialRank
    """Confidence in others and the same."""
    beyond_other: PartialRank
    """Self-confidence and minus the entropy, given the confidence in others."""
    beyond_surface: PartialRank
    """The same, given the surface of the question and what symbols stand for as well."""
    other_beyond_self: PartialRank
    """Confidence in others and minus the entropy, given self-confidence."""


def self_and_other(questions: Questions, config: AnalysisConfig) -> list[SelfOther]:
    """Compare, for every model of which all three passes were answered.

    Nothing is fitted, so all questions count.
    """
    return [
        _of(questions, model, config)
        for model in questions.collected.models
        if all(questions.answered(model, pass_) for pass_ in ("mcq", "self", "other"))
    ]


def _of(questions: Questions, model: str, config: AnalysisConfig) -> SelfOther:
    own, self_, other = (questions.certainty(model, pass_) for pass_ in ("mcq", "self", "other"))
    nothing = np.zeros((len(questions), 0))
    surface = questions.surface[:, np.ptp(questions.surface, axis=0) > 0]
    known = [other, surface, *(questions.symbols(model, pass_) for pass_ in ("self", "other"))]

    def rank(left: np.ndarray, covariates: np.ndarray) -> PartialRank:
        return partial_rank(
            left,
            own,
            covariates,
            draws=config.draws,
            permutations=config.permutations,
            seed=config.seed,
        )

    return SelfOther(
        model,
        rank(self_, nothing),
        rank(other, nothing),
        rank(self_, other[:, None]),
        rank(self_, np.column_stack(known)),
        rank(other, self_[:, None]),
    )
