"""Vertical scores against the weights that eager attention itself gives out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import rankdata
from tests.activations.conftest import tokenised
from tests.families import FAMILIES, family_model, loaded_from

from augury.activations.anchors import Anchors
from augury.activations.extract import extract
from augury.activations.plan import ReadingPlan
from augury.activations.vertical import mass_between, read_vertical, vertical_scores
from augury.errors import ConfigError
from augury.models.attention import attention_settings
from augury.models.doctor import examine
from augury.models.load import LoadedModel
from augury.models.read import read_rows

BORDERS = np.array([4, 7, 8, 13, 15, 20, 26, 31, 37, 40])
"""Sentences of 1 to 6 tokens behind a prompt of 4; windows of 8 tokens do not reach back to all."""
SPANS = np.stack([BORDERS[:-1], BORDERS[1:]], axis=1)
ROWS = Anchors(SPANS[:, 0].astype(np.int32), (SPANS[:, 1] - 1).astype(np.int32))
IDS = np.r_[1, np.random.default_rng(5).integers(3, 64, 43)].astype(np.int32)


def eager(loaded: LoadedModel, block: int) -> np.ndarray:
    """Weights of transformers' own eager attention, float64 [head, token, token]."""
    model = loaded.model
    own = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        one = torch.from_numpy(IDS.astype(np.int64))[None]
        return model(one, output_attentions=True).attentions[block][0].double().numpy()
    finally:
        model.set_attn_implementation(own)


def by_hand(weights: np.ndarray, proximity: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores and ranks [span, head] by the definition, one pair of sentences at a time."""
    heads, count = len(weights), len(SPANS)
    raw, ranked = np.zeros((count, heads)), np.zeros((count, heads))
    for head in range(heads):
        mean = np.array([[weights[head, a:b, c:d].mean() for c, d in SPANS] for a, b in SPANS])
        for j in range(count - proximity):
            readers = range(j + proximity, count)
            raw[j, head] = np.mean([mean[i, j] for i in readers])
            rows = [mean[i, : i - proximity + 1] for i in readers]
            ranked[j, head] = np.mean([rankdata(row)[j] / len(row) for row in rows])
    return raw, ranked


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_scores_are_those_of_eager_attention(family: str) -> None:
    loaded = loaded_from(family_model(family))
    # transformers itself gives Gemma 2 the eager kernel; all others never hold their weights.
    assert loaded.model.config._attn_implementation == ("eager" if family == "gemma2" else "sdpa")
    found = read_vertical(loaded, IDS, ROWS, ["vertical.0", "vertical.1"], proximity=2)
    for block in (0, 1):
        weights = eager(loaded, block)
        raw, ranked = by_hand(weights, 2)
        ours = found[f"vertical.{block}"].double().numpy()
        heads = weights.shape[0]
        np.testing.assert_allclose(ours[:, :heads], raw, atol=2e-6)
        # Weights that differ by rounding alone may change places.
        assert np.mean(np.abs(ours[:, heads:] - ranked) < 1e-6) > 0.97
        assert raw[:-2].min() >= 0 and (raw[-2:] == 0).all()


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_the_size_of_the_pieces_changes_nothing(family: str) -> None:
    loaded = loaded_from(family_model(family))
    rows = read_rows(loaded, [IDS], [np.arange(len(IDS))], ["query.0", "key.0"])
    settings = attention_settings(loaded.blocks, 0)
    spans = torch.from_numpy(SPANS)
    whole, small = (
        mass_between(rows["query.0"], rows["key.0"], settings, spans, most=most)
        for most in (1 << 20, 1)
    )
    torch.testing.assert_close(whole, small, atol=1e-6, rtol=0)
    wanted = eager(loaded, 0)
    for i, (a, b) in enumerate(SPANS):
        for j, (c, d) in enumerate(SPANS):
            mass = wanted[:, a:b, c:d].sum(axis=2).mean(axis=1)
            np.testing.assert_allclose(small[:, i, j], mass, atol=2e-6)


def test_spans_that_share_a_token_both_count_it() -> None:
    loaded = loaded_from(family_model("llama"))
    rows = read_rows(loaded, [IDS], [np.arange(len(IDS))], ["query.0", "key.0"])
    spans = np.array([[4, 8], [7, 12], [11, 20]])
    found = mass_between(
        rows["query.0"], rows["key.0"], attention_settings(loaded.blocks, 0), torch.tensor(spans)
    )
    weights = eager(loaded, 0)
    for i, (a, b) in enumerate(spans):
        for j, (c, d) in enumerate(spans):
            mass = weights[:, a:b, c:d].sum(axis=2).mean(axis=1)
            np.testing.assert_allclose(found[:, i, j], mass, atol=2e-6)


def test_ranks_take_away_that_early_sentences_share_with_few() -> None:
    """Uniform attention favours the first sentences; among those that a reader sees, none."""
    count = 12
    mass = torch.zeros((1, count, count))
    for i in range(count):
        mass[0, i, : i + 1] = 1 / (i + 1)
    raw, ranked = vertical_scores(mass, torch.ones(count), proximity=1)[0].T
    assert raw[0] > 2 * raw[8]
    known = torch.arange(1, count)
    assert torch.allclose(
        ranked[:-1],
        torch.stack([((known[j:] + 1) / 2 / known[j:]).mean() for j in range(count - 1)]),
    )
    assert ranked[0] < 1.5 * ranked[8]


def test_near_readers_do_not_count() -> None:
    mass = torch.zeros((1, 6, 6))
    mass[0, 3, 2], mass[0, 5, 2] = 8.0, 4.0
    lengths = torch.full((6,), 2.0)
    near, far = (
        vertical_scores(mass, lengths, proximity=proximity)[0, 2, 0] for proximity in (1, 2)
    )
    assert near == pytest.approx((4.0 + 0.0 + 2.0) / 3) and far == pytest.approx((0.0 + 2.0) / 2)


def test_scores_are_stored_like_any_rows(tmp_path: Path) -> None:
    loaded = loaded_from(family_model("qwen3"))
    plan = ReadingPlan(
        sites=("resid.0", "vertical.1"), rows="spans", labels=("s",), pooling="mean", proximity=2
    )
    traces = [tokenised("a", IDS.tolist(), 4), tokenised("b", IDS[:30].tolist(), 4)]
    spans = [SPANS, SPANS[:6]]
    store = extract(loaded, traces, plan, tmp_path / "store", spans=spans)
    alone = read_vertical(loaded, IDS, ROWS, ["vertical.1"], proximity=2)["vertical.1"]
    torch.testing.assert_close(store["vertical.1"].of("a"), alone)
    assert store["vertical.1"].of("b").shape == (6, 8) and store["resid.0"].of("b").shape == (6, 32)
    store.verify()
    other = plan.model_copy(update={"proximity": 3})
    with pytest.raises(ConfigError, match=r"plan.proximity: stored 2 / now 3"):
        extract(loaded, traces, other, tmp_path / "store", spans=spans)


def test_the_doctor_checks_what_scores_are_made_of() -> None:
    loaded = loaded_from(family_model("llama"))
    plan = ReadingPlan(sites=("vertical.1",), rows="spans", labels=("s",), pooling="mean")
    names = [
        check.name for check in examine(loaded, [tokenised("a", IDS.tolist(), 4)], plan).checks
    ]
    assert "attention from rows" in names


def test_vertical_scores_are_of_spans_alone() -> None:
    with pytest.raises(ValueError, match="spans that become one row"):
        ReadingPlan(sites=("vertical.0",))
    loaded = loaded_from(family_model("llama"))
    with pytest.raises(ConfigError, match="not a place inside the decoder"):
        read_rows(loaded, [IDS], [np.arange(3)], ["vertical.0"])


def test_a_plan_without_vertical_scores_is_what_it_was() -> None:
    assert "proximity" not in ReadingPlan(sites=("resid.0",)).determining()
