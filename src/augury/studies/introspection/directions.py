"""Day 3: high/low confidence directions, and whether they point the same way in other passes.

A direction is found where one pass is surest and least sure, on training questions, and states of
another pass at the same site are laid along it. If their order is that of the other pass' own
certainty, the direction was carried over. Certainty is minus the entropy of the answer, or the
stated confidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from augury.evaluate.cells import TEST, TRAIN, VALIDATION
from augury.evaluate.number_contract import judge_numbers
from augury.evaluate.number_records import NumberCell, NumberResult
from augury.evaluate.rank_columns import rank_columns
from augury.probes.contrast import (
    Agreement,
    Contrasts,
    agreement,
    contrasts,
    extremes,
    split_halves,
)
from augury.probes.ridge import fit_ridge
from augury.runs.progress import track
from augury.shapes import RowScores
from augury.studies.introspection.analysis_config import AnalysisConfig
from augury.studies.introspection.baselines import surface_scores
from augury.studies.introspection.questions import Questions
from augury.studies.introspection.records import Lead, held, leads

__all__ = ["KINDS", "AgreementResult", "Source", "TransferResult", "certainties", "transfer_grid"]

KINDS = ("mean difference", "whitened", "ridge")
_HALVES = 10

Source = tuple[str, str]
"""Model and pass."""


@dataclass(frozen=True, slots=True)
class TransferResult:
    """A direction of one pass on the states of another, on test questions."""

    source: Source
    target: Source
    """Whose states, and whose certainty; the source itself is the direction at home."""
    site: str
    kind: str
    spearman: float | None
    interval: tuple[float, float] | None
    validation: float
    """The same on validation: what may be chosen by."""
    random_high: float
    """95 % point of random directions that vary as the target's states do."""
    p_random: float
    """Share of these, the direction among them, that do as well; one-sided."""
    baselines: Mapping[str, Lead]
    p_corrected: float | None
    """Permutation p, corrected for all sources, targets, sites and kinds; one-sided."""
    verdict: str
    """From `evaluate.verdict`, before random directions are asked."""
    why: str


@dataclass(frozen=True, slots=True)
class AgreementResult:
    """Two directions at one site side by side."""

    left: Source
    right: Source
    site: str
    kind: str
    cosine: float
    crossed: float
    ceiling: float
    corrected: float | None


def certainties(questions: Questions) -> dict[Source, RowScores]:
    """Certainty, beyond what symbols tell, of every pass whose answers are answers, and vary."""
    found = {
        (model, pass_): questions.beyond_symbols(model, pass_)
        for model in questions.collected.models
        for pass_ in questions.collected.passes
        if questions.answered(model, pass_)
    }
    train = questions.on(TRAIN)
    return {source: values for source, values in found.items() if np.ptp(values[train]) > 0}


def transfer_grid(
    questions: Questions, config: AnalysisConfig, *, position: str
) -> tuple[list[TransferResult], list[AgreementResult]]:
    """Try every direction in its own pass, in the model's other passes, and in the other model.

    Args:
        questions: With their states.
        config: How.
        position: Name of the token at which states are read.
    """
    known = certainties(questions)
    pairs = [(a, b) for a in known for b in known if a[0] == b[0] or a[1] == b[1]]
    if not pairs:
        return [], []
    by_name = {_name(source): values for source, values in known.items()}
    surface = surface_scores(questions, by_name)
    cells, told, agreements = [], [], []
    rows = np.arange(len(questions))
    sites = questions.collected.sites
    for site in track(sites, what="directions", unit="sites", total=len(sites)):
        place = _Site(questions, config, known, position, site)
        agreements += list(place.agreements(pairs))
        for source, target in pairs:
            for kind in KINDS:
                scores, random = place.laid(source, target, kind), place.random(target)
                told.append((source, target, site, kind, place.facts(target, scores, random)))
                cells.append(
                    NumberCell(
                        site=site,
                        horizon=0,
                        label=f"{_name(source)} on {_name(target)}, {kind}",
                        values=known[target],
                        scores=scores,
                        groups=rows,
                        traces=rows,
                        split=questions.side,
                        baselines=surface[_name(target)],
                    )
                )
    judged = judge_numbers(
        cells,
        draws=config.draws,
        permutations=config.permutations,
        seed=config.seed,
        alpha=config.alpha,
    )
    return [_result(*one, found) for one, found in zip(told, judged, strict=True)], agreements


class _Site:
    """Directions and states of all sources at one site."""

    def __init__(
        self,
        questions: Questions,
        config: AnalysisConfig,
        known: Mapping[Source, RowScores],
        position: str,
        site: str,
    ) -> None:
        self._questions, self._config, self._known, self._site = questions, config, known, site
        self._states = {
            source: questions.states(*source, site, position).astype(np.float64) for source in known
        }
        halves = split_halves(len(questions), _HALVES, seed=config.seed)
        train = questions.on(TRAIN)
        self._contrasts: dict[tuple[Source, str], Contrasts] = {}
        self._directions: dict[tuple[Source, str], np.ndarray] = {}
        for source, values in known.items():
            ends = extremes(values, train, share=config.share)
            for kind in KINDS[:2]:
                found = contrasts(self._states[source], ends, halves, whiten=kind == "whitened")
                self._contrasts[source, kind] = found
                self._directions[source, kind] = found.whole
            self._directions[source, "ridge"] = self._ridge(source, values)
        self._drawn = {source: self._random(source) for source in known}

    def laid(self, source: Source, target: Source, kind: str) -> RowScores:
        """The target's states along the source's direction."""
        return np.asarray(self._states[target] @ self._directions[source, kind])

    def random(self, target: Source) -> np.ndarray:
        """Test rank correlations of random directions with the target's certainty."""
        return self._drawn[target]

    def facts(
        self, target: Source, scores: RowScores, random: np.ndarray
    ) -> tuple[float, float, float]:
        """Rank correlation on validation, 95 % point of random directions, p against them."""
        values = self._known[target]
        validation, test = (self._questions.on(side) for side in (VALIDATION, TEST))
        chosen = rank_columns(values[validation, None], scores[validation, None])[0]
        own = rank_columns(values[test, None], scores[test, None])[0]
        p = (1 + np.count_nonzero(random >= own - 1e-12)) / (1 + len(random))
        return float(chosen), float(np.quantile(random, 0.95)), float(p)

    def agreements(self, pairs: list[tuple[Source, Source]]) -> Iterator[AgreementResult]:
        """Cosines of every two different sources, each pair once."""
        for left, right in pairs:
            if left >= right:
                continue
            for kind in KINDS[:2]:
                one, other = self._contrasts[left, kind], self._contrasts[right, kind]
                found: Agreement = agreement(one, other)
                yield AgreementResult(
                    left,
                    right,
                    self._site,
                    kind,
                    found.cosine,
                    found.crossed,
                    found.ceiling,
                    found.corrected,
                )

    def _ridge(self, source: Source, values: RowScores) -> np.ndarray:
        questions, states = self._questions, self._states[source]
        train, validation = questions.on(TRAIN), questions.on(VALIDATION)
        grids = fit_ridge(
            states, values[:, None], train.astype(float), np.array(self._config.strengths)
        )
        weights = np.stack([grid.weight[0] for grid in grids], axis=1).astype(np.float64)
        quality = rank_columns(
            np.repeat(values[validation, None], len(grids), axis=1), states[validation] @ weights
        )
        return np.asarray(weights[:, int(quality.argmax())])

    def _random(self, source: Source) -> np.ndarray:
        """Mixtures of centred states: directions in which states really vary."""
        states, train = self._states[source], self._questions.on(TRAIN)
        test = self._questions.on(TEST)
        centred = states[train] - states[train].mean(axis=0)
        rng = np.random.default_rng([self._config.seed, 3])
        drawn = rng.standard_normal((self._config.random_directions, len(centred))) @ centred
        laid = states[test] @ drawn.T
        values = self._known[source][test, None]
        return rank_columns(np.repeat(values, laid.shape[1], axis=1), laid)


def _name(source: Source) -> str:
    return "/".join(source)


def _result(
    source: Source,
    target: Source,
    site: str,
    kind: str,
    facts: tuple[float, float, float],
    found: NumberResult,
) -> TransferResult:
    return TransferResult(
        source=source,
        target=target,
        site=site,
        kind=kind,
        spearman=found.test.spearman.value,
        interval=held(found.interval),
        validation=facts[0],
        random_high=facts[1],
        p_random=facts[2],
        baselines=leads(found.baselines),
        p_corrected=found.p_corrected,
        verdict=found.verdict,
        why=found.why,
    )
