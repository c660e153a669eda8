"""Which traces share a forward pass, and which batches share a shard of the store.

Both plans depend on lengths only, so a resumed job meets the same batches, and so the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["plan_batches", "plan_shards"]


def plan_batches(
    lengths: Sequence[int], batch_tokens: int, *, packed: bool = False
) -> tuple[tuple[int, ...], ...]:
    """Group sequences of similar length, longest first.

    Planning again for the members of some consecutive batches gives those batches.

    Args:
        lengths: Tokens of each sequence.
        batch_tokens: Most tokens of a batch, padding included; a longer sequence goes alone.
        packed: Batches need no padding.

    Returns:
        Indices into `lengths`, each exactly once.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    batches: list[tuple[int, ...]] = []
    batch: list[int] = []
    filled = 0
    for index in order:
        # Longest first: the first of a batch says how wide its padding makes the others.
        size = lengths[index] if packed or not batch else lengths[batch[0]]
        if batch and filled + size > batch_tokens:
            batches.append(tuple(batch))
            batch, filled, size = [], 0, lengths[index]
        batch.append(index)
        filled += size
    return (*batches, tuple(batch)) if batch else tuple(batches)


def plan_shards(
    batches: Sequence[Sequence[int]], row_bytes: Sequence[int], shard_bytes: int
) -> tuple[tuple[int, ...], ...]:
    """Group consecutive whole batches into shards of about `shard_bytes`.

    Args:
        batches: From `plan_batches`.
        row_bytes: Bytes that each sequence will add to the store.
        shard_bytes: A shard is closed once it holds this much.

    Returns:
        Sequence indices of each shard, in the order of their batches; each exactly once.
    """
    shards: list[tuple[int, ...]] = []
    members: list[int] = []
    filled = 0
    for batch in batches:
        members.extend(batch)
        filled += sum(row_bytes[index] for index in batch)
        if filled >= shard_bytes:
            shards.append(tuple(members))
            members, filled = [], 0
    if members:
        shards.append(tuple(members))
    return tuple(shards)
