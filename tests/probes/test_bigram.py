from __future__ import annotations

import numpy as np
import pytest

from augury.errors import DataError
from augury.probes.bigram import bigram_log_odds


def test_it_is_the_share_of_what_followed_each_token_in_the_counted_rows() -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 4, 20_000)
    share = np.array([0.02, 0.1, 0.5, 0.9])
    labels = (rng.random(len(ids)) < share[ids])[:, None]
    counted = (np.arange(len(ids)) < 15_000)[:, None]
    found = bigram_log_odds(ids, labels, counted)
    assert found.shape == labels.shape and found.dtype == np.float32
    for token in range(4):
        p = 1 / (1 + np.exp(-found[ids == token, 0]))
        assert np.ptp(p) == 0 and p[0] == pytest.approx(share[token], abs=0.02)


def test_rows_that_are_not_counted_teach_nothing_and_unseen_tokens_get_the_overall_share() -> None:
    ids = np.array([1, 1, 1, 1, 2, 2, 7])
    labels = np.array([1, 0, 0, 0, 1, 1, 1], dtype=bool)[:, None]
    counted = np.array([1, 1, 1, 1, 0, 0, 0], dtype=bool)[:, None]
    found = bigram_log_odds(ids, labels, counted)[:, 0]
    changed = bigram_log_odds(ids, labels ^ ~counted, counted)[:, 0]
    np.testing.assert_array_equal(found, changed)
    assert found[-1] == found[4] == pytest.approx(np.log(0.25 / 0.75))


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="0 positive rows of 3"):
        bigram_log_odds(np.arange(3), np.zeros((3, 1), bool), np.ones((3, 1), bool))
