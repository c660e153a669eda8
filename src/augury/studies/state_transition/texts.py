"""Rows of generations as traces: tokens, events, answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from augury.errors import CheckFailed
from augury.runs.folder import Run
from augury.runs.progress import track
from augury.studies.state_transition.config import StateTransitionConfig
from augury.studies.state_transition.generations import Row
from augury.studies.state_transition.problems import Prompt, Question, read_prompts, read_questions
from augury.targets.numeric_answer import (
    AnswerState,
    NumericAnswer,
    is_number,
    judge_answer,
    read_answer,
)
from augury.targets.onsets import Onset, onsets_of, opening_tokens
from augury.targets.triggers import TRIGGER, with_triggers
from augury.traces.prompts import LITERAL
from augury.traces.tokens import TokenisedTrace, tokenise
from augury.traces.trace import Origin, Span, Trace

__all__ = ["Read", "State", "Texts", "read_texts"]

State = AnswerState | Literal["unjudged"]
"""`unjudged`: nobody says what is right, or it is no number."""


@dataclass(frozen=True, eq=False, slots=True)
class Read:
    """One continuation, read."""

    row: Row
    group: str
    ids: np.ndarray
    """int [token], prompt and completion."""

    onsets: tuple[Onset, ...]
    """Every event, strict and relaxed, in order."""

    opening: np.ndarray
    """bool [token], whether a sentence begins with the token."""

    answer: NumericAnswer
    state: State

    @property
    def strict(self) -> tuple[Onset, ...]:
        """Events of strict triggers."""
        return tuple(one for one in self.onsets if one.source == "detector:strict")

    @property
    def trace_id(self) -> str:
        row = self.row
        return f"{row.variant}/{row.condition}/{row.draw}/{row.example_id}-{row.sample_id}"


class Texts:
    """Reads rows, given the problems and prompts that they belong to."""

    def __init__(self, run: Run, config: StateTransitionConfig, tokenizer: Any) -> None:
        self._config, self._tokenizer = config, tokenizer
        self._questions: Mapping[int, Question] = {q.id: q for q in read_questions(run)}
        self._prompts: Mapping[tuple[str, int], Prompt] = {
            (variant.name, prompt.example_id): prompt
            for variant in config.prompting.variants
            for prompt in read_prompts(run, variant.name)
        }

    def group(self, example_id: int) -> str:
        """Group of a problem."""
        return self._questions[example_id].group

    def read(self, row: Row) -> Read:
        """Events and answer of one continuation.

        Raises:
            CheckFailed: Its tokens are not those that the model was fed and wrote.
        """
        question = self._questions[row.example_id]
        prompt = self._prompts[row.variant, row.example_id]
        ids = np.array([*prompt.ids, *row.token_ids])
        onsets: tuple[Onset, ...] = ()
        opening = np.zeros(len(ids), dtype=bool)
        if row.completion.strip():
            trace = with_triggers(
                self._trace(row, prompt, question), self._config.detection.triggers
            )
            tokenised = tokenise(trace, self._tokenizer)
            _check_ids(trace, tokenised, ids)
            onsets = tuple(onsets_of(trace, tokenised, self._tokenizer, TRIGGER))
            opening = opening_tokens(trace, tokenised)
        state: State = "unjudged"
        if self._config.dataset.source != "texts" or is_number(question.answer_value):
            state = judge_answer(
                row.completion, question.answer_value, finished=row.finish_reason == "stop"
            )
        answer = read_answer(row.completion)
        return Read(row, question.group, ids, onsets, opening, answer, state)

    def _trace(self, row: Row, prompt: Prompt, question: Question) -> Trace:
        start, end = prompt.literal
        literal = (Span(start, end, LITERAL, "prompt"),) if start < end else ()
        return Trace(
            id=f"{row.variant}/{row.condition}/{row.draw}/{row.example_id}-{row.sample_id}",
            group=question.group,
            prompt=row.prompt,
            completion=row.completion,
            spans=literal,
            fields={"token_ids": " ".join(map(str, row.token_ids))},
            origin=Origin(self._config.dataset.source, model=row.model_hf_id),
        )


def read_texts(
    run: Run, config: StateTransitionConfig, tokenizer: Any, rows: Sequence[Row]
) -> list[Read]:
    """Events and answers of many continuations."""
    texts = Texts(run, config, tokenizer)
    return [texts.read(row) for row in track(rows, what="finding events", unit="texts")]


def _check_ids(trace: Trace, tokenised: TokenisedTrace, fed: np.ndarray) -> None:
    if not np.array_equal(tokenised.ids, fed):
        raise CheckFailed(
            f"trace {trace.id!r}",
            found="tokens that are not those that the model was fed and wrote",
            expected=f"the same {len(fed)} ids",
            fix="use the tokenizer of the model that wrote the text",
        )
