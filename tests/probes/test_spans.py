"""Spans are read as they were cut, piece by piece, and bad cuts are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from augury.errors import DataError
from augury.probes.spans import Spans, chunks, pooled, rows_as_spans


def ragged(seed: int = 0, spans: int = 7, hidden: int = 3) -> Spans:
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(1, 6, spans))])
    return Spans(rng.normal(size=(offsets[-1], hidden)).astype(np.float32), offsets)


def test_reading_gives_the_spans_in_the_asked_order() -> None:
    spans = ragged()
    states, offsets = spans.read(np.array([4, 0, 4]))
    for place, number in enumerate((4, 0, 4)):
        expected = spans.tokens[spans.offsets[number] : spans.offsets[number + 1]]
        np.testing.assert_array_equal(states[offsets[place] : offsets[place + 1]], expected)


def test_memory_mapped_half_precision_and_torch_states_read_alike(tmp_path: Path) -> None:
    spans = ragged()
    half = np.asarray(spans.tokens, np.float16)
    np.save(tmp_path / "states.npy", half)
    mapped = Spans(np.load(tmp_path / "states.npy", mmap_mode="r"), spans.offsets)
    on_torch = Spans(torch.from_numpy(half), spans.offsets)
    np.testing.assert_array_equal(pooled(mapped, "mean"), pooled(on_torch, "mean"))


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([], []),
        ([3], [(0, 1)]),
        ([4, 4, 4], [(0, 2), (2, 3)]),
        ([1, 1, 1, 1], [(0, 3), (3, 4)]),
        ([1, 50, 1], [(0, 1), (1, 2), (2, 3)]),
    ],
)
def test_chunks_keep_both_bounds(lengths: list[int], expected: list[tuple[int, int]]) -> None:
    found = chunks(np.array(lengths, dtype=np.int64), spans=3, tokens=8)
    assert [(piece.start, piece.stop) for piece in found] == expected


def test_pooling_reads_no_more_than_its_budget_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    spans = ragged(spans=40)
    seen = []
    read = Spans.read

    def watched(self: Spans, numbers: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(int(self.lengths[numbers].sum()))
        return read(self, numbers)

    whole = pooled(spans, "max")
    monkeypatch.setattr(Spans, "read", watched)
    monkeypatch.setattr("augury.probes.spans.block_rows", lambda hidden: 10)
    np.testing.assert_array_equal(pooled(spans, "max"), whole)
    assert max(seen) <= 10 and sum(seen) == len(spans.tokens)


def test_unused_spans_are_not_looked_at() -> None:
    spans = ragged()
    spans.tokens[spans.offsets[2]] = np.nan
    used = np.arange(7) != 2
    rows = pooled(spans, "mean", used)
    assert np.isfinite(rows).all() and not rows[2].any()
    with pytest.raises(DataError, match="span 2: a state that is not finite"):
        pooled(spans, "mean")


def test_rows_become_spans_of_one_token() -> None:
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(pooled(rows_as_spans(rows), "mean"), rows)


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        ([0, 2, 2, 5], "span 1: no token"),
        ([0, 2, 4], "expected tokens"),
        ([1, 2, 5], "expected tokens"),
        ([0.0, 5.0], "float64 offsets"),
    ],
)
def test_offsets_that_do_not_cut_the_tokens_are_refused(offsets: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Spans(np.zeros((5, 2), np.float32), np.array(offsets))
