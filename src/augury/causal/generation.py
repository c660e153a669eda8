"""Let an edited model write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from augury.causal.editing import Calls, Places, editing
from augury.causal.edits import Edit
from augury.errors import UsageError
from augury.models.generate import Generation, Sampling, sample
from augury.models.load import LoadedModel

__all__ = ["EditedSample", "loops", "sample_edited"]

_LONGEST_LOOP = 24
_LEAST_REPEATS = 4


@dataclass(frozen=True, slots=True)
class EditedSample:
    """What was written, and the proof that it was written under the edits."""

    generations: tuple[Generation, ...]
    calls: Calls


def sample_edited(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    edits: Sequence[Edit],
    *,
    settings: Sampling,
    keys: Sequence[int] | None = None,
    at: Places = "new tokens",
) -> EditedSample:
    """Continue every prompt under edits; without edits this is `sample`.

    Args:
        loaded: A model with its head.
        prompts: Token ids.
        edits: What is changed.
        settings: As in `sample`.
        keys: As in `sample`; the same keys draw at the same numbers whatever the edits, so
            conditions are compared on paired samples.
        at: `new tokens` edits every token that the model reads back of its own, and leaves the
            prompt and so the first new token alone; `last token` edits the end of the prompt too,
            where the first new token is decided; `every token` edits the whole prompt.

    Raises:
        UsageError: A prompt of one token cannot be told from a new token; an edit that differs
            between sequences.
        CheckFailed: An edit did not fire in every pass.
    """
    if edits and at == "new tokens" and any(len(prompt) < 2 for prompt in prompts):
        raise UsageError(
            "prompts", found="one of a single token", expected="at least 2", fix="edit every token"
        )
    with editing(loaded.blocks, edits, at) as calls:
        generations = sample(loaded, prompts, settings=settings, keys=keys)
    return EditedSample(tuple(generations), calls)


def loops(ids: Sequence[int]) -> bool:
    """Whether a continuation ends in a loop: its last tokens are one piece, at least four times.

    Pieces of up to 24 tokens count; a single token has to be repeated at least eight times.
    """
    for period in range(1, min(_LONGEST_LOOP, len(ids) // _LEAST_REPEATS) + 1):
        length = period * max(_LEAST_REPEATS, -(-8 // period))
        tail = list(ids[len(ids) - length :])
        if len(tail) == length and all(tail[i] == tail[i - period] for i in range(period, length)):
            return True
    return False
