"""Day 1 and 2: where is what readable, and does the surface of the question tell it as well?

One ridge probe per model, pass, position, site and target. Correctness is judged by rank
correlation like the other targets, of which its AUROC is a linear function, so that one correction
covers the whole grid; AUROC and average precision stand beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from augury.evaluate.cells import TEST, TRAIN, VALIDATION
from augury.evaluate.metrics import auroc, average_precision
from augury.evaluate.number_contract import judge_numbers
from augury.evaluate.number_records import NumberCell, NumberResult
from augury.evaluate.rank_columns import rank_columns
from augury.probes.ridge import fit_ridge
from augury.runs.progress import track
from augury.shapes import RowScores
from augury.studies.introspection.analysis_config import AnalysisConfig
from augury.studies.introspection.baselines import surface_scores, symbol_scores
from augury.studies.introspection.questions import Questions
from augury.studies.introspection.records import Place, ProbeResult, held, leads

__all__ = ["OWN_ENTROPY", "SYMBOLS", "places", "probe_grid"]

OWN_ENTROPY = "own entropy"
"""Baseline of correctness: what the model's own answer distribution says of it."""


SYMBOLS = "symbols"
"""Baseline of confidences: what a model would state that likes some letters."""


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """One probe: its scores on all rows, how it was chosen, and what shuffled values gave."""

    place: Place
    target: str
    scores: RowScores
    strength: float
    validation: float
    shuffled: np.ndarray
    """Test rank correlations of probes of shuffled values, float [shuffle]."""


def places(questions: Questions) -> list[Place]:
    """Everywhere a state was read."""
    found = questions.collected
    return [
        Place(model, pass_, position, site)
        for model in found.models
        for pass_ in found.passes
        for position in found.positions
        for site in found.sites
    ]


def probe_grid(questions: Questions, config: AnalysisConfig) -> list[ProbeResult]:
    """Fit and judge every probe, as one grid.

    Raises:
        DataError: No split has questions on all three sides, or a state is not finite.
    """
    targets = {model: questions.targets(model) for model in questions.collected.models}
    baselines = {
        model: _baselines(questions, model, targets[model]) for model in targets if targets[model]
    }
    fitted: list[_Fitted] = []
    everywhere = [place for place in places(questions) if targets[place.model]]
    for place in track(everywhere, what="probing", unit="places", total=len(everywhere)):
        fitted += _fit(questions, place, targets[place.model], config)
    if not fitted:
        return []
    cells = [
        _cell(questions, each, targets[each.place.model], baselines[each.place.model])
        for each in fitted
    ]
    judged = judge_numbers(
        cells,
        draws=config.draws,
        permutations=config.permutations,
        seed=config.seed,
        alpha=config.alpha,
    )
    test = questions.on(TEST)
    return [
        _result(each, result, targets[each.place.model][each.target][test], each.scores[test])
        for each, result in zip(fitted, judged, strict=True)
    ]


def _baselines(
    questions: Questions, model: str, targets: dict[str, RowScores]
) -> dict[str, dict[str, RowScores]]:
    out = surface_scores(questions, targets)
    if "correct" in targets:
        out["correct"][OWN_ENTROPY] = -targets["entropy"]
    for name in targets:
        scores = symbol_scores(questions, model, name)
        if scores is not None:
            out[name][SYMBOLS] = scores
    return out


def _fit(
    questions: Questions, place: Place, targets: dict[str, RowScores], config: AnalysisConfig
) -> Iterator[_Fitted]:
    states = questions.states(*place.where)
    train, validation, test = (questions.on(side) for side in (TRAIN, VALIDATION, TEST))
    values = np.column_stack(list(targets.values()))
    learned = [values, *_shuffled(values, ~test, config)]
    count = values.shape[1]
    grids = fit_ridge(
        states, np.concatenate(learned, axis=1), train.astype(float), np.array(config.strengths)
    )
    scores = np.stack(
        [states.astype(np.float64) @ grid.weight.T.astype(np.float64) + grid.bias for grid in grids]
    )
    aims = np.concatenate(learned, axis=1)[validation]
    quality = np.stack([rank_columns(aims, one[validation]) for one in scores])
    best = quality.argmax(axis=0)
    chosen = scores[best, :, np.arange(len(best))]  # [column, row]
    truth = np.tile(values[test], (1, config.shuffles))
    found = rank_columns(truth, chosen[count:, test].T).reshape(config.shuffles, count)
    for column, target in enumerate(targets):
        yield _Fitted(
            place,
            target,
            np.ascontiguousarray(chosen[column]),
            config.strengths[best[column]],
            float(quality[best[column], column]),
            found[:, column],
        )


def _shuffled(values: np.ndarray, rows: np.ndarray, config: AnalysisConfig) -> Sequence[np.ndarray]:
    """The values with those of the training and validation rows in other orders."""
    rng = np.random.default_rng([config.seed, 2])
    at = np.flatnonzero(rows)
    out = []
    for _ in range(config.shuffles):
        mixed = values.copy()
        mixed[at] = values[rng.permutation(at)]
        out.append(mixed)
    return out


def _cell(
    questions: Questions,
    fitted: _Fitted,
    targets: dict[str, RowScores],
    baselines: dict[str, dict[str, RowScores]],
) -> NumberCell:
    rows = np.arange(len(questions))
    return NumberCell(
        site=fitted.place.name,
        horizon=0,
        label=fitted.target,
        values=targets[fitted.target],
        scores=fitted.scores,
        groups=rows,
        traces=rows,
        split=questions.side,
        baselines=baselines[fitted.target],
    )


def _result(
    fitted: _Fitted, result: NumberResult, values: RowScores, scores: RowScores
) -> ProbeResult:
    right = values > 0.5 if fitted.target == "correct" else None
    return ProbeResult(
        place=fitted.place,
        target=fitted.target,
        spearman=result.test.spearman.value,
        interval=held(result.interval),
        validation=fitted.validation,
        r2=result.test.r2.value,
        auroc=None if right is None else auroc(right, scores).value,
        average_precision=None if right is None else average_precision(right, scores).value,
        baselines=leads(result.baselines),
        p=result.p,
        p_corrected=result.p_corrected,
        shuffled=_spread(fitted.shuffled),
        strength=fitted.strength,
        verdict=result.verdict,
        why=result.why,
    )


def _spread(values: np.ndarray) -> tuple[float, float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(values.mean()), float(high)
