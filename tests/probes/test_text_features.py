from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from augury.errors import DataError
from augury.probes.text_features import hashed_ngrams, said_so_far, tfidf
from augury.traces.tokens import TokenisedTrace


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


TEXT = "ask: So. It is 4. Wait, no"
ENDS = [0, 4, 7, 8, 11, 14, 16, 17, 22, 23, 26]
STARTS = [0, 5, 9, 18]


def part(ends: list[int] = ENDS) -> TokenisedTrace:
    """A BOS of no text, then tokens that take the space before them along."""
    count = len(ends)
    ends_ = np.array(ends, dtype=np.int32)
    starts = np.concatenate([[0], ends_[:-1]]).astype(np.int32)
    nothing = np.zeros(count, dtype=bool)
    ids = np.arange(count, dtype=np.int32)
    return TokenisedTrace("a", "a", ids, starts, ends_, nothing, np.full(count, 3, np.uint8), 2)


def test_the_running_sentence_ends_with_the_token_and_is_counted_by_hand() -> None:
    rows = np.arange(11)
    said = said_so_far(
        [part()], (np.zeros_like(rows), rows), texts=[TEXT], sentence_starts=[STARTS]
    )
    assert said == (
        "",
        "ask:",
        "So",
        "So.",
        "It",
        "It is",
        "It is 4"[:7],
        "It is 4.",
        "Wait",
        "Wait,",
        "Wait, no",
    )


def test_text_after_a_token_changes_nothing_that_was_said() -> None:
    rows = np.arange(6)
    where = (np.zeros_like(rows), rows)
    before = said_so_far([part()], where, texts=[TEXT], sentence_starts=[STARTS])
    other = TEXT[:14] + " quite another end"
    after = said_so_far([part()], where, texts=[other], sentence_starts=[[0, 5, 9, 24]])
    assert before == after
