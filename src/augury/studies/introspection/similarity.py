"""Day 4: how alike are the states of two passes, and of base and adapter, site by site?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from augury.evaluate.cka import similarity
from augury.runs.progress import track
from augury.studies.introspection.analysis_config import AnalysisConfig
from augury.studies.introspection.directions import Source
from augury.studies.introspection.questions import Questions

__all__ = ["Likeness", "likenesses"]

_MOST_ROWS = 1000
_FEWEST_ROWS = 8


@dataclass(frozen=True, slots=True)
class Likeness:
    """Debiased linear CKA of the states of two passes at one site and position."""

    left: Source
    right: Source
    position: str
    site: str
    cka: float
    low: float
    high: float
    shuffled: float
    """With the questions of one side in another order."""
    rows: int


def likenesses(questions: Questions, config: AnalysisConfig) -> list[Likeness]:
    """Every two passes of a model, and every pass of the two models."""
    if len(questions) < _FEWEST_ROWS:
        return []
    found = questions.collected
    sources = [(model, pass_) for model in found.models for pass_ in found.passes]
    both = list(combinations(sources, 2))
    pairs = [pair for pair in both if pair[0][0] == pair[1][0]]
    pairs += [pair for pair in both if pair[0][1] == pair[1][1]]
    # Gram matrices are as large as the square of the questions.
    order = np.random.default_rng(config.seed).permutation(len(questions))
    at = np.sort(order[:_MOST_ROWS])
    where = [(position, site) for position in found.positions for site in found.sites]
    out = []
    for position, site in track(where, what="comparing states", unit="sites", total=len(where)):
        states = {source: questions.states(*source, site, position)[at] for source in sources}
        for left, right in pairs:
            alike = similarity(states[left], states[right], seed=config.seed)
            facts = (alike.cka, alike.low, alike.high, alike.shuffled, alike.rows)
            out.append(Likeness(left, right, position, site, *facts))
    return out
