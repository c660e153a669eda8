"""Probes fitted from a store that stays on disk, and straight from the model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from augury.activations import extract as extract_module
from augury.activations.anchors import planned_rows
from augury.activations.batches import plan_batches
from augury.activations.extract import extract
from augury.activations.plan import ReadingPlan
from augury.activations.store import Store
from augury.models.load import LoadedModel
from augury.models.read import read_rows
from augury.probes.closed_form import (
    difference_of_means,
    lda,
    moments_of_blocks,
    shared_moments,
    whitened_difference_of_means,
)
from augury.probes.grid import fit_logistic_grid
from augury.probes.linear import scores
from augury.traces.tokens import TokenisedTrace

SITE = "resid.1"
PLAN = ReadingPlan(sites=("embed", SITE), batch_tokens=50)


@pytest.fixture
def store(
    loaded: LoadedModel,
    traces: list[TokenisedTrace],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Store:
    monkeypatch.setattr(extract_module, "SHARD_BYTES", 5000)
    return extract(loaded, traces, PLAN, tmp_path / "store")


@pytest.fixture
def columns(store: Store) -> tuple[np.ndarray, np.ndarray]:
    """Labels and weights [row, 3]; some rows are used by no column."""
    rng = np.random.default_rng(0)
    labels = rng.random((store.n_rows, 3)) < 0.4
    weights = (rng.random((store.n_rows, 1)) < 0.8) * rng.uniform(1, 2, labels.shape)
    return labels, weights.astype(np.float32)


def test_pieces_hold_every_row_once_and_each_lies_in_one_shard(store: Store) -> None:
    pieces = list(store[SITE].pieces())
    assert len(pieces) == len(list((store.path / "shards").iterdir())) > 2
    numbers = np.concatenate(pieces)
    assert (numbers != np.arange(store.n_rows)).any()
    np.testing.assert_array_equal(np.sort(numbers), np.arange(store.n_rows))


def test_a_store_fits_and_scores_as_the_array_it_holds(
    store: Store, columns: tuple[np.ndarray, np.ndarray]
) -> None:
    whole, l2 = store[SITE].torch(), np.full(3, 0.1)
    streamed = fit_logistic_grid(store[SITE], *columns, l2, tolerance=1e-6)
    expected = fit_logistic_grid(whole, *columns, l2, tolerance=1e-6)
    assert streamed.converged.all()
    np.testing.assert_allclose(streamed.weight, expected.weight, atol=1e-5)
    np.testing.assert_array_equal(scores(store[SITE], streamed), scores(whole, streamed))


def test_moments_straight_from_the_model_are_those_of_the_store(
    loaded: LoadedModel,
    traces: list[TokenisedTrace],
    store: Store,
    columns: tuple[np.ndarray, np.ndarray],
) -> None:
    labels, weights = columns

    def running() -> Iterator[tuple[torch.Tensor, np.ndarray, np.ndarray]]:
        for batch in plan_batches([len(t.ids) for t in traces], 37, packed=False):
            some = [traces[number] for number in batch]
            kept = [planned_rows(trace, whole=PLAN.rows == "all") for trace in some]
            states = read_rows(loaded, [trace.ids for trace in some], kept, [SITE])[SITE]
            rows = np.concatenate([np.r_[store.rows_of(number)] for number in batch])
            yield states, labels[rows], weights[rows]

    stored, once = shared_moments(store[SITE], labels, weights), moments_of_blocks(running())
    for kind in (difference_of_means, whitened_difference_of_means, lda):
        expected = kind(stored)
        scale = np.abs(expected.weight).max()
        np.testing.assert_allclose(kind(once).weight, expected.weight, atol=1e-6 * scale)
        np.testing.assert_allclose(kind(once).bias, expected.bias, rtol=1e-5, atol=1e-5)
