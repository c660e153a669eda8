"""Words as features: hashed n-grams of tokens, and TF-IDF of texts, for a linear baseline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int
from scipy import sparse

from augury.errors import DataError
from augury.traces.tokens import TokenisedTrace

__all__ = ["hashed_ngrams", "said_so_far", "tfidf"]

_MIX = np.uint64(0x9E3779B97F4A7C15)


def hashed_ngrams(
    recent: Int[np.ndarray, "row back"], *, longest: int = 3, buckets: int = 1 << 18
) -> sparse.csr_matrix:
    """Counts of the 1- to `longest`-grams of the last tokens, wherever among them they stand.

    Args:
        recent: The id `back` tokens ago, 0 the current one, -1 before the text (`TokenFacts`); an
            n-gram that reaches before the text is left out.
        longest: Most tokens of an n-gram, at most the width of `recent`.
        buckets: Columns; n-grams are hashed into them, and a few share one.

    Returns:
        float32 [row, bucket].
    """
    ids = (recent.astype(np.int64) + 1).astype(np.uint64)
    rows, columns = [], []
    code = np.zeros_like(ids)
    for length in range(1, longest + 1):
        # An n-gram is the one that is a token shorter, and the token before it.
        code = code[:, : ids.shape[1] - length + 1]
        code = (code ^ (ids[:, length - 1 :] + np.uint64(length))) * _MIX
        code ^= code >> np.uint64(29)
        row, back = np.nonzero(ids[:, length - 1 :] > 0)
        rows.append(row)
        columns.append((code[row, back] >> np.uint64(16)) % np.uint64(buckets))
    place = (np.concatenate(rows), np.concatenate(columns).astype(np.int64))
    ones = np.ones(len(place[0]), dtype=np.float32)
    return sparse.csr_matrix((ones, place), shape=(len(ids), buckets))


def said_so_far(
    parts: Sequence[TokenisedTrace],
    rows: tuple[np.ndarray, np.ndarray],
    *,
    texts: Sequence[str],
    sentence_starts: Sequence[Sequence[int]],
) -> tuple[str, ...]:
    """The running sentence of each row up to its token, which is included and the last to be seen.

    Args:
        parts: Tokenised traces, or their windows.
        rows: (number of the part [row], token index in that part [row]).
        texts: Of each part, the whole text of its trace.
        sentence_starts: Of each part, code points where its trace's sentences start, rising.
    """
    begins, ends = [], []
    for part, starts in zip(parts, sentence_starts, strict=True):
        end = np.maximum.accumulate(part.ends)  # an added token ends at 0
        # A token that crosses into a sentence belongs to it: its last code point decides.
        place = np.searchsorted(starts, end - 1, side="right")
        begins.append(np.concatenate([[0], starts])[place].tolist())
        ends.append(end.tolist())
    pairs = zip(*(array.tolist() for array in rows), strict=True)
    return tuple(texts[part][begins[part][token] : ends[part][token]] for part, token in pairs)


def tfidf(
    texts: Sequence[str], train: Bool[np.ndarray, " row"], *, most: int = 10_000
) -> sparse.csr_matrix:
    """TF-IDF of the 1- and 2-grams of words; vocabulary and weights come from train rows alone.

    Args:
        texts: Of each row: the sentence, say.
        train: Rows to learn the words from.
        most: Most features, the commonest.

    Returns:
        float32 [row, feature], rows of length 1 (or 0 where no word is known).

    Raises:
        DataError: No training text has a word.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), max_features=most, dtype=np.float32)
    try:
        vectorizer.fit([text for text, fit in zip(texts, train.tolist(), strict=True) if fit])
    except ValueError as error:
        raise DataError("texts", found="no word in any training text", expected="words") from error
    return sparse.csr_matrix(vectorizer.transform(texts))
