"""Texts that are already there: read with the model's tokens, cut to its context, not written."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from augury.models.load import context_of, load_tokenizer
from augury.runs.paths import expand
from augury.runs.progress import track
from augury.studies.state_transition.config import StateTransitionConfig
from augury.traces.sources.jsonl import JsonlFields, read_text_lines
from augury.traces.tokenised import TokenisedTrace
from augury.traces.tokens import tokenise
from augury.traces.trace import Trace

__all__ = ["GivenText", "read_given"]


@dataclass(frozen=True, slots=True)
class GivenText:
    """One text, as far as the model can read it."""

    example_id: int
    """Its place among the chosen ones, from 0."""

    group: str
    """Equal for texts with the same prompt."""

    prompt: str
    completion: str
    """Cut in front of a word where the whole does not fit."""

    prompt_ids: tuple[int, ...]
    """BOS included."""

    token_ids: tuple[int, ...]
    """Of the completion."""

    answer: str
    """The right answer, or nothing."""

    finished: bool
    """Whether its end is the writer's."""


def read_given(config: StateTransitionConfig) -> tuple[list[GivenText], int]:
    """The texts of a config, shuffled by its seed, and how many were cut.

    A text whose prompt alone fills the context is left out.

    Raises:
        MissingInput: The file is not there.
        DataError: A line is malformed; file, row and field are named.
    """
    dataset, fields = config.dataset, config.dataset.fields
    extra = [name for name in (fields.answer, fields.finished) if name is not None]
    names = JsonlFields(
        id=fields.id,
        prompt=fields.prompt,
        completion=fields.completion,
        group=fields.prompt,
        keep=extra,
    )
    path = Path(expand(str(dataset.path), "dataset.path"))
    traces = read_text_lines(path, names, dataset=path.stem, model=dataset.written_by)
    random.Random(dataset.seed).shuffle(traces)
    model = config.named_model
    tokenizer, room = load_tokenizer(model), context_of(model)
    found: list[GivenText] = []
    cut = 0
    for trace in track(traces[: dataset.max_examples], what="tokenising", unit="texts"):
        tokenised = tokenise(trace, tokenizer)
        end = _last_fit(trace, tokenised, room)
        if end is None:
            continue
        cut += end < len(tokenised)
        found.append(_text(len(found), trace, tokenised, end, config))
    return found, cut


def _last_fit(trace: Trace, tokenised: TokenisedTrace, room: int) -> int | None:
    """How many tokens are kept: all, or those in front of a word; None where no text is left."""
    if len(tokenised) <= room:
        return len(tokenised)
    for end in range(room, tokenised.first_row + 1, -1):
        start = int(tokenised.starts[end])
        if start == int(tokenised.ends[end - 1]) and trace.text[start : start + 1].isspace():
            return end
    return None


def _text(
    number: int, trace: Trace, tokenised: TokenisedTrace, end: int, config: StateTransitionConfig
) -> GivenText:
    # A token that holds the prompt's end and the completion's beginning counts to the prompt.
    first = tokenised.first_row
    first += int(tokenised.starts[first]) < len(trace.prompt)
    border, last = int(tokenised.ends[first - 1]) if first else 0, int(tokenised.ends[end - 1])
    fields = config.dataset.fields
    answer = trace.fields.get(fields.answer) if fields.answer else None
    ended = trace.fields.get(fields.finished) if fields.finished else True
    whole = end == len(tokenised)
    return GivenText(
        number,
        trace.group,
        trace.text[:border],
        trace.text[border:] if whole else trace.text[border:last],
        tuple(tokenised.ids[:first].tolist()),
        tuple(tokenised.ids[first:end].tolist()),
        "" if answer is None else str(answer),
        bool(ended) and whole,
    )
