from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from augury.errors import DataError
from augury.probes.residual import left_over, residual


def test_what_the_features_explain_is_gone_and_the_rest_is_kept() -> None:
    rng = np.random.default_rng(0)
    features, hidden = rng.normal(size=(600, 3)), rng.normal(size=600)
    values = features @ [2.0, -1.0, 0.5] + hidden + 7
    train = np.arange(600) < 400
    found = residual(values, features, train)
    assert np.abs(np.corrcoef(features[~train].T, found[~train])[3, :3]).max() < 0.15
    assert np.corrcoef(hidden[~train], found[~train])[0, 1] > 0.98


def test_rows_outside_of_train_fit_nothing() -> None:
    rng = np.random.default_rng(1)
    features, values = rng.normal(size=(100, 2)), rng.normal(size=100)
    train = np.arange(100) < 60
    plain = residual(values, features, train)
    changed = np.where(train, values, 100 * values)
    np.testing.assert_allclose(residual(changed, features, train)[train], plain[train])
    with pytest.raises(DataError, match="at least 2"):
        residual(values, features, np.zeros(100, bool))


GROUPS = np.repeat(np.arange(10), 20)
TRAIN = GROUPS < 7


def words_and_place(seed: int) -> tuple[np.ndarray, sparse.csr_matrix]:
    """More words than rows, of length 1, and two features of place with another mean and spread."""
    rng = np.random.default_rng(seed)
    words = np.abs(rng.normal(size=(200, 300))) * (rng.random((200, 300)) < 0.05)
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    return rng.normal(size=(200, 2)) * [5, 0.1] + [30, 1], sparse.csr_matrix(words)


@pytest.mark.parametrize("with_words", [False, True])
def test_every_row_is_foretold_by_what_was_fitted_to_other_groups(with_words: bool) -> None:
    """Against scikit-learn, one regression per left-out group."""
    place, every = words_and_place(2)
    words = every if with_words else None
    values = np.random.default_rng(3).normal(size=(200, 2)) + GROUPS[:, None]
    found = left_over(values, place, words, train=TRAIN, groups=GROUPS, strengths=(0.5,))
    scaled = StandardScaler().fit(place[TRAIN]).transform(place)
    told = [scaled] if words is None else [scaled, words.toarray() / np.sqrt(0.5)]
    both = np.concatenate(told, axis=1)
    for group in range(10):
        own = group == GROUPS
        fitted = Ridge(alpha=1.0).fit(both[TRAIN & ~own], values[TRAIN & ~own])
        np.testing.assert_allclose(found[own], (values - fitted.predict(both))[own], atol=1e-8)


def test_the_strength_of_words_is_the_one_that_foretells_other_groups_target_by_target() -> None:
    rng = np.random.default_rng(4)
    place, words = words_and_place(4)
    told = words @ (10.0 * rng.normal(size=(300, 1)))
    dealt = rng.normal(size=(200, 1))
    values = np.concatenate([told, dealt], axis=1)

    def left(*strengths: float) -> np.ndarray:
        given = {"train": TRAIN, "groups": GROUPS, "strengths": strengths}
        return left_over(values, place, words, **given)  # type: ignore[arg-type]

    weak, strong, both = left(0.1), left(1e4), left(0.1, 1e4)
    np.testing.assert_array_equal(both[:, 0], weak[:, 0])
    np.testing.assert_array_equal(both[:, 1], strong[:, 1])
    # A weak penalty fits train rows by heart: in-sample it would be chosen for both.
    assert np.var(weak[TRAIN, 1]) > np.var(strong[TRAIN, 1])


def test_no_value_outside_of_train_fits_and_none_foretells_its_own_group() -> None:
    place, words = words_and_place(5)
    values = np.random.default_rng(5).normal(size=(200, 1))

    def left(of: np.ndarray) -> np.ndarray:
        return left_over(of, place, words, train=TRAIN, groups=GROUPS, strengths=(1.0,))

    plain = left(values)
    for own in (GROUPS == 8, GROUPS == 2):
        moved = values + 5.0 * own[:, None] * np.arange(200)[:, None]
        change = left(moved) - plain
        np.testing.assert_allclose(change[own], (moved - values)[own], atol=1e-8)
        assert (np.abs(change[~own]).max() > 0.1) == bool(TRAIN[own].all())


def test_words_need_two_groups_to_be_fitted_and_foretold() -> None:
    place, words = words_and_place(6)
    given = {"place": place, "words": words, "groups": GROUPS}
    with pytest.raises(DataError, match="1 groups to fit on"):
        left_over(np.zeros((200, 1)), train=GROUPS == 3, **given)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"\[199, 200\] rows"):
        left_over(np.zeros((199, 1)), train=TRAIN, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("with_words", [False, True])
def test_what_is_left_of_values_that_nothing_tells_has_no_sign(with_words: bool) -> None:
    """What was fitted to rows leaves over of them what foretells others with the wrong sign."""
    rng = np.random.default_rng(7)
    place, every = words_and_place(7)
    values = rng.normal(size=(200, 40))
    scaled = StandardScaler().fit(place[TRAIN]).transform(place)
    told = np.concatenate([scaled, every.toarray()], axis=1) if with_words else scaled

    def followed(rest: np.ndarray) -> float:
        """Mean correlation, on other rows, of what a further regression on the same foretells."""
        fitted = Ridge(alpha=10.0).fit(told[TRAIN], rest[TRAIN]).predict(told)
        pairs = zip(fitted[~TRAIN].T, rest[~TRAIN].T, strict=True)
        return float(np.mean([np.corrcoef(one, other)[0, 1] for one, other in pairs]))

    in_sample = np.stack([residual(each, told, TRAIN) for each in values.T], axis=1)
    words = every if with_words else None
    crossed = left_over(values, place, words, train=TRAIN, groups=GROUPS)
    assert followed(in_sample) < -0.1 and abs(followed(crossed)) < 0.07
