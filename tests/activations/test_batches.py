"""Batch plans: every sequence once, under the budget, the same again."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from augury.activations.batches import plan_batches, plan_shards

LENGTHS = st.lists(st.integers(1, 60), max_size=40)
BUDGET = st.integers(1, 300)


@given(LENGTHS, BUDGET, st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_sequence_is_in_one_batch_that_keeps_to_the_budget_and_could_take_no_more(
    lengths: list[int], budget: int, packed: bool
) -> None:
    def places(batch: Sequence[int]) -> int:
        sizes = [lengths[k] for k in batch]
        return sum(sizes) if packed else len(sizes) * max(sizes)

    batches = plan_batches(lengths, budget, packed=packed)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or places(batch) <= budget for batch in batches)
    assert all(places((*a, b[0])) > budget for a, b in itertools.pairwise(batches))


@given(LENGTHS, BUDGET, st.integers(1, 500), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_shard_planned_again_has_the_batches_it_had(
    lengths: list[int], budget: int, shard_bytes: int, packed: bool
) -> None:
    batches = plan_batches(lengths, budget, packed=packed)
    shards = plan_shards(batches, lengths, shard_bytes)
    again = [
        tuple(members[k] for k in batch)
        for members in shards
        for batch in plan_batches([lengths[index] for index in members], budget, packed=packed)
    ]
    assert again == list(batches)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), BUDGET)
@settings(max_examples=30, deadline=None)
def test_no_sequence_shares_a_batch_with_a_longer_one_that_could_do_without(
    lengths: list[int], budget: int
) -> None:
    ordered = [[lengths[k] for k in batch] for batch in plan_batches(lengths, budget)]
    assert [n for batch in ordered for n in batch] == sorted(lengths, reverse=True)


def test_a_shard_closes_once_it_is_full() -> None:
    batches = [(0, 1), (2,), (3,)]
    assert plan_shards(batches, [4, 4, 1, 9], 8) == ((0, 1), (2, 3))
    assert plan_shards(batches, [4, 4, 1, 9], 10**9) == ((0, 1, 2, 3),)
    assert plan_shards([], [], 8) == ()
