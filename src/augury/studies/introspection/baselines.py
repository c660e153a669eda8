"""What the surface of a question tells without a model: its features, and its words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from augury.errors import DataError
from augury.evaluate.cells import TRAIN, VALIDATION
from augury.probes.number_features import fit_number_features
from augury.probes.text_features import tfidf
from augury.shapes import RowScores
from augury.studies.introspection.questions import Questions

__all__ = ["surface_scores"]


def surface_scores(
    questions: Questions, targets: Mapping[str, RowScores]
) -> dict[str, dict[str, RowScores]]:
    """Predict every target from the surface alone, fitted and chosen as the probes are.

    Returns:
        By target: `surface` (lengths, rarity, negation, ambiguity, kind of question) and `words`
        (TF-IDF of the question's text), where any training text has a word.
    """
    values = np.column_stack(list(targets.values()))
    train, validation = questions.on(TRAIN), questions.on(VALIDATION)
    features = {"surface": questions.surface}
    try:
        features["words"] = tfidf(questions.texts, train)
    except DataError:
        # Questions without a single word, such as those made of symbols.
        pass
    out: dict[str, dict[str, RowScores]] = {name: {} for name in targets}
    for baseline, feature in features.items():
        scores = fit_number_features(feature, values, train=train, validation=validation)
        for column, name in enumerate(targets):
            out[name][baseline] = np.ascontiguousarray(scores[:, column])
    return out
