"""Ragged operations agree with a plain loop over spans and tokens."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from augury.probes.segments import Segments

BOUNDS = (0, 1, 4, 30, 32)


@pytest.fixture
def scores() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, BOUNDS[-1], 3, generator=generator, dtype=torch.float64)


@pytest.fixture
def segments() -> Segments:
    return Segments(torch.tensor(BOUNDS))


def spans(values: torch.Tensor) -> list[np.ndarray]:
    return [values[:, first:last].numpy() for first, last in pairwise(BOUNDS)]


def test_sums_and_maxima_are_those_of_each_span(scores: torch.Tensor, segments: Segments) -> None:
    for how, by_hand in ((segments.sum, np.sum), (segments.max, np.max)):
        expected = np.stack([by_hand(span, axis=1) for span in spans(scores)], axis=1)
        np.testing.assert_allclose(how(scores), expected, rtol=1e-12)


def test_softmax_sums_to_one_and_survives_huge_scores(
    scores: torch.Tensor, segments: Segments
) -> None:
    for factor in (1, 1e4):
        shares = segments.softmax(scores * factor)
        for span, share in zip(spans(scores * factor), spans(shares), strict=True):
            raised = np.exp(span - span.max(axis=1, keepdims=True))
            np.testing.assert_allclose(share, raised / raised.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("window", [1, 3, 8, 100])
def test_a_rolling_mean_is_of_full_windows_inside_the_span(
    scores: torch.Tensor, segments: Segments, window: int
) -> None:
    means = spans(segments.rolling_mean(scores, window))
    for span, found in zip(spans(scores), means, strict=True):
        size = min(window, span.shape[1])
        for token in range(span.shape[1]):
            end = max(token + 1, size)
            expected = span[:, end - size : end].mean(axis=1)
            np.testing.assert_allclose(found[:, token], expected, atol=1e-12)


@pytest.mark.parametrize("half_life", [0.05, 1.0, 4.0, 1000.0])
def test_a_moving_average_is_the_recursion_from_zero(
    scores: torch.Tensor, segments: Segments, half_life: float
) -> None:
    decay = 2 ** (-1 / half_life)
    averages = spans(segments.moving_average(scores, half_life))
    for span, found in zip(spans(scores), averages, strict=True):
        state = np.zeros_like(span[:, 0])
        for token in range(span.shape[1]):
            state = decay * state + (1 - decay) * span[:, token]
            np.testing.assert_allclose(found[:, token], state, atol=1e-12)


def test_a_moving_average_does_not_know_what_comes_later(scores: torch.Tensor) -> None:
    whole = Segments(torch.tensor([0, 32])).moving_average(scores, 2.0)
    start = Segments(torch.tensor([0, 10])).moving_average(scores[:, :10], 2.0)
    torch.testing.assert_close(whole[:, :10], start)


@pytest.mark.parametrize("name", ["softmax", "rolling_mean", "moving_average", "max"])
def test_gradients_are_those_of_finite_differences(
    scores: torch.Tensor, segments: Segments, name: str
) -> None:
    arguments = {"rolling_mean": (3,), "moving_average": (2.0,)}.get(name, ())
    operation = getattr(segments, name)
    assert torch.autograd.gradcheck(
        lambda values: operation(values, *arguments), scores.requires_grad_()
    )
