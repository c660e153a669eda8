"""Options are asked as the model would answer, whatever the batch, and draws decide over a grid."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.families import family_model, loaded_from

from augury.causal.edits import add, patch
from augury.causal.forced import ForcedText, all_forced
from augury.causal.grid_beyond import grid_beyond
from augury.causal.options import NextTokens, OptionBench
from augury.errors import DataError
from augury.models.load import LoadedModel

RNG = np.random.default_rng(0)
TEXTS = [np.array([1, *RNG.integers(3, 60, length)]) for length in (5, 9, 7, 9, 4)]
OPTIONS = [[[3, 4], [5], [6, 7, 8]], [[9], [10], [11]], *[[[3], [4], [5, 6]]] * 3]


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return loaded_from(family_model("llama"))


def _last(model: LoadedModel) -> torch.Tensor:
    texts = [ForcedText(ids, np.array([len(ids) - 1])) for ids in TEXTS]
    return torch.cat(all_forced(model, texts, []))


def test_the_mass_of_an_option_is_that_of_all_its_tokens(model: LoadedModel) -> None:
    p = _last(model).exp().double().numpy()
    wanted = [[sum(p[text, i] for i in ids) for ids in one] for text, one in enumerate(OPTIONS)]
    for batch_tokens in (10, 10_000):
        found = OptionBench(model, TEXTS, OPTIONS, batch_tokens=batch_tokens).log_masses()
        assert np.exp(found) == pytest.approx(np.array(wanted), rel=1e-4)


def test_edits_know_each_text_by_its_place_and_reach_no_other(model: LoadedModel) -> None:
    bench = OptionBench(model, TEXTS, OPTIONS, batch_tokens=20)
    clean = bench.log_masses()
    states = RNG.standard_normal((len(TEXTS), 32)).astype(np.float32)
    own = bench.log_masses([patch("resid.0", states)])
    swapped = states.copy()
    swapped[2] = states[3]
    other = bench.log_masses([patch("resid.0", swapped)])
    assert np.abs(own - clean).max(axis=1).min() > 1e-3
    assert own[[0, 1, 3, 4]] == pytest.approx(other[[0, 1, 3, 4]], abs=1e-6)
    assert np.abs(own[2] - other[2]).max() > 1e-3
    # What was read is not changed by what was asked.
    assert bench.log_masses() == pytest.approx(clean, abs=1e-7)


def test_what_an_edit_does_to_spared_tokens_is_no_divergence(model: LoadedModel) -> None:
    edits = [add("resid.1", 20 * model.model.lm_head.weight[7].numpy())]
    whole = NextTokens(model, TEXTS).divergence(edits)
    found = {word: NextTokens(model, TEXTS, apart_from=[word]).divergence(edits) for word in (7, 8)}
    assert found[7] < 0.8 * whole and found[7] < 0.8 * found[8]
    assert NextTokens(model, TEXTS).divergence([]) == pytest.approx(0.0, abs=1e-9)


def test_texts_with_other_numbers_of_options_are_refused(model: LoadedModel) -> None:
    with pytest.raises(DataError, match="as many options"):
        OptionBench(model, TEXTS, OPTIONS[:4])
    with pytest.raises(DataError, match="each with a token"):
        OptionBench(model, TEXTS[:1], [[[3], []]])


def _draws(count: int, sites: int, units: int = 30) -> np.ndarray:
    return RNG.standard_normal((count, units, sites))


def test_an_effect_has_to_beat_the_best_site_of_every_draw() -> None:
    """At one site of many, a large draw somewhere is no rarity."""
    hits = single = 0
    for _ in range(120):
        drawn = _draws(40, 12)
        p = grid_beyond(drawn[0], drawn[1:], np.arange(30)).p_draws
        hits += p.min() <= 0.05
        alone = [grid_beyond(drawn[0, :, [s]].T, drawn[1:, :, [s]], np.arange(30)) for s in (0, 1)]
        single += any(one.p_draws[0] <= 0.05 for one in alone)
    assert hits <= 13
    assert single >= 4


def test_a_large_effect_is_found_whatever_the_spread_of_its_site() -> None:
    drawn = _draws(40, 3) * np.array([100.0, 1.0, 0.01])
    own = _draws(1, 3)[0] * np.array([100.0, 1.0, 0.01])
    own[:, 2] += 0.05
    found = grid_beyond(own, drawn, np.arange(30))
    assert found.p_draws[2] == pytest.approx(1 / 41)
    assert found.moves(2, sign=1, alpha=0.05) and not found.moves(2, sign=-1, alpha=0.05)
    assert not found.moves(0, sign=1, alpha=0.05)


def test_what_nothing_moves_is_no_effect() -> None:
    found = grid_beyond(np.zeros((30, 1)), np.zeros((20, 30, 1)), np.arange(30))
    assert found.p_draws[0] == 1 and not found.moves(0, sign=1, alpha=0.05)
