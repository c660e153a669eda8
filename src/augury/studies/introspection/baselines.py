"""What the surface of a question tells without a model: its features, and its words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from augury.errors import DataError
from augury.evaluate.cells import TRAIN, VALIDATION
from augury.probes.number_features import fit_number_features
from augury.probes.text_features import tfidf
from augury.shapes import Labels, RowScores
from augury.studies.introspection.questions import TARGETS, Questions

__all__ = ["surface_scores", "symbol_scores"]


def surface_scores(
    questions: Questions, targets: Mapping[str, RowScores]
) -> dict[str, dict[str, RowScores]]:
    """Predict every target from the surface alone, fitted and chosen as the probes are.

    Returns:
        By target: `surface` (lengths, rarity, negation, ambiguity, kind of question) and `words`
        (TF-IDF of the question's text), where any training text has a word.
    """
    train, validation = questions.on(TRAIN), questions.on(VALIDATION)
    features = {"surface": questions.surface}
    try:
        features["words"] = tfidf(questions.texts, train)
    except DataError:
        # Questions without a single word, such as those made of symbols.
        pass
    out: dict[str, dict[str, RowScores]] = {name: {} for name in targets}
    for baseline, feature in features.items():
        found = _predicted(feature, targets, train, validation)
        for name, scores in found.items():
            out[name][baseline] = scores
    return out


def symbol_scores(questions: Questions, model: str, target: str) -> RowScores | None:
    """Predict a stated confidence from what each symbol stands for; None where that never varies.

    This is what a model would state that likes some letters better than others.
    """
    pass_, column = TARGETS[target]
    features = questions.symbols(model, pass_)
    if not features.shape[1]:
        return None
    values = {column: questions.certainty(model, pass_)}
    train, validation = questions.on(TRAIN), questions.on(VALIDATION)
    return _predicted(features, values, train, validation)[column]


def _predicted(
    features: np.ndarray | sparse.csr_matrix,
    targets: Mapping[str, RowScores],
    train: Labels,
    validation: Labels,
) -> dict[str, RowScores]:
    values = np.column_stack(list(targets.values()))
    scores = fit_number_features(features, values, train=train, validation=validation)
    return {name: np.ascontiguousarray(scores[:, n]) for n, name in enumerate(targets)}
