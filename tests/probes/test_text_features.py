from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from augury.errors import DataError
from augury.probes.text_features import hashed_ngrams, tfidf


def test_ngrams_are_counted_wherever_they_stand() -> None:
    rng = np.random.default_rng(0)
    recent = rng.integers(0, 6, (300, 8))
    recent[::7, 5:] = -1
    found = hashed_ngrams(recent, buckets=1 << 22)
    columns: dict[tuple[int, ...], set[int]] = {}
    for row in range(300):
        grams = Counter(
            tuple(recent[row, back : back + length])
            for length in (1, 2, 3)
            for back in range(9 - length)
            if recent[row, back : back + length].min() >= 0
        )
        assert sorted(found[row].data) == sorted(grams.values())
        for place, count in zip(found[row].indices, found[row].data, strict=True):
            same = [gram for gram, times in grams.items() if times == count]
            if len(same) == 1:
                columns.setdefault(same[0], set()).add(int(place))
    # Equal n-grams share a column in every row, and others have another.
    assert len(columns) > 12 and all(len(places) == 1 for places in columns.values())
    assert len({min(places) for places in columns.values()}) == len(columns)


def test_the_order_of_a_pair_counts() -> None:
    one, two = hashed_ngrams(np.array([[1, 2], [2, 1]]), longest=2)
    assert (one != two).nnz == 2


def test_words_and_their_weights_come_from_training_texts_alone() -> None:
    texts = ["wait no", "so it is", "wait zebra", "zebra zebra quagga"]
    train = np.array([True, True, False, False])
    found = tfidf(texts, train)
    without = tfidf([*texts[:2], "wait", ""], train)
    # A vectorizer that was fitted on all texts knows the zebra.
    np.testing.assert_allclose(found[2].toarray(), without[2].toarray())
    assert found[3].nnz == 0
    with pytest.raises(DataError, match="no word"):
        tfidf(["!", "?"], np.array([True, True]))
