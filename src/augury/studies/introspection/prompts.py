"""The prompts of every question and pass, their symbols, and where their named positions are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from augury.errors import CheckFailed, ConfigError, DataError
from augury.studies.introspection.config import (
    LETTERS,
    POSITIONS,
    IntrospectionConfig,
    PassName,
)
from augury.studies.introspection.gather import Question, draws_of
from augury.targets.confidence import BIN_EDGES
from augury.traces.align import place_spans
from augury.traces.prompts import render_prompt
from augury.traces.tokens import TokenisedTrace, tokenise_prompt
from augury.traces.trace import Origin, Span, Trace
from augury.traces.vocabulary import single_token

__all__ = ["AskedPrompt", "Symbols", "ask", "symbols_of"]


@dataclass(frozen=True, slots=True)
class AskedPrompt:
    """One question in one pass."""

    trace: Trace
    """The rendered prompt, with its named positions as spans of one character."""

    tokens: TokenisedTrace
    positions: tuple[int, ...]
    """Token of each of `POSITIONS`, from 0."""

    symbols: str
    """Letter of each option: of an answer as shown, of confidence from the lowest bin up."""

    question_start: int
    """First code point of the question in the prompt, from 0."""


@dataclass(frozen=True, slots=True)
class Symbols:
    """Which tokens say a letter."""

    ids: dict[str, tuple[int, ...]]
    """The letter by itself and behind a blank, as far as each is one token."""

    def of(self, letters: str) -> list[list[int]]:
        """Ids of each letter."""
        return [list(self.ids[letter]) for letter in letters]


def symbols_of(config: IntrospectionConfig, tokenizer: Any) -> Symbols:
    """Find the tokens of every letter that the passes use.

    Raises:
        DataError: A letter is not one token, by itself or behind a blank.
        ConfigError: Two letters share a token.
    """
    letters = LETTERS if "mcq" in config.passes else ""
    if set(config.passes) & {"self", "other"}:
        letters += config.confidence.symbols
    ids: dict[str, tuple[int, ...]] = {}
    owner: dict[int, str] = {}
    for letter in dict.fromkeys(letters):
        found, reason = [], None
        for text in (letter, f" {letter}"):
            try:
                found.append(single_token(text, tokenizer))
            except DataError as error:
                reason = error
        if not found and reason is not None:
            raise reason
        ids[letter] = tuple(sorted(set(found)))
        for number in ids[letter]:
            if owner.setdefault(number, letter) != letter:
                raise ConfigError(
                    f"symbols {owner[number]} and {letter}",
                    found=f"the same token {number}",
                    expected="tokens of their own",
                )
    return Symbols(ids)


def ask(
    questions: Sequence[Question], pass_: PassName, config: IntrospectionConfig, tokenizer: Any
) -> list[AskedPrompt]:
    """Make the prompts of one pass, in the order of the questions.

    Raises:
        ConfigError: The chat template is missing or changes the text; two BOS.
        CheckFailed: A named position is not where its text is.
    """
    return [_one(question, pass_, config, tokenizer) for question in questions]


def _one(
    question: Question, pass_: PassName, config: IntrospectionConfig, tokenizer: Any
) -> AskedPrompt:
    letters = LETTERS if pass_ == "mcq" else _scale(question, config)
    content, ends = _filled(question, pass_, letters, config)
    rendered = render_prompt(content, tokenizer, style=config.prompting.style)
    start = rendered.literal[0]
    if rendered.text[start : start + len(content)] != content:
        raise ConfigError(
            f"prompting.{pass_}",
            found="a template that changes the white space at the ends of the user's turn",
            fix="begin and end prompting templates with other characters",
        )
    last = (start + ends[0], start + ends[1], len(rendered.text))
    named = zip(POSITIONS, last, strict=True)
    marks = (Span(end - 1, end, name, "position") for name, end in named)
    trace = Trace(
        id=question.id,
        group=question.group,
        prompt=rendered.text,
        completion="",
        spans=(*rendered.spans(), *marks),
        fields={"pass": pass_},
        origin=Origin(config.questions.source),
    )
    tokens = tokenise_prompt(trace, tokenizer)
    placed = {one.span.label: one.stop - 1 for one in place_spans(trace, tokens, tokenizer)}
    positions = tuple(placed.get(name, -1) for name in POSITIONS)
    _check(trace, tokens, positions)
    begins = last[0] - len(question.text.strip())
    return AskedPrompt(trace, tokens, positions, letters, begins)


def _check(trace: Trace, tokens: TokenisedTrace, positions: tuple[int, ...]) -> None:
    rising = bool(np.all(np.diff(positions) > 0)) and positions[0] >= 0
    if not (rising and positions[-1] == len(tokens) - 1):
        raise CheckFailed(
            f"question {trace.id!r}: positions",
            found=f"tokens {list(positions)} of {len(tokens)}",
            expected="the end of the question, the end of the options, and the last token",
        )


def _filled(
    question: Question, pass_: PassName, letters: str, config: IntrospectionConfig
) -> tuple[str, tuple[int, int]]:
    """The user's turn, and one past the last character of its question and of its options."""
    line = config.prompting.option
    shown = zip(LETTERS, question.options, strict=True)
    pieces = {
        "{question}": question.text.strip(),
        "{options}": "\n".join(
            line.replace("{letter}", letter).replace("{text}", text) for letter, text in shown
        ),
        "{symbols}": _listed(sorted(letters)),
        "{scale}": _lines(letters),
        "{lowest}": letters[0],
        "{highest}": letters[-1],
    }
    text, ends = "", {}
    rest = str(getattr(config.prompting, pass_))
    while rest:
        at, name = min(
            ((rest.find(name), name) for name in pieces if name in rest), default=(-1, "")
        )
        if at < 0:
            text += rest
            break
        text += rest[:at] + pieces[name]
        ends[name] = len(text)
        rest = rest[at + len(name) :]
    return text, (ends["{question}"], ends["{options}"])


def _scale(question: Question, config: IntrospectionConfig) -> str:
    """Letter of each bin, from the lowest up; the question decides, the same for every model."""
    letters = list(config.confidence.symbols)
    draws = draws_of(question.id, config.questions.seed, "scale")
    if config.confidence.order == "shuffled":
        draws.shuffle(letters)
    elif config.confidence.order == "reversed" and draws.random() < 0.5:
        letters.reverse()
    return "".join(letters)


def _lines(letters: str) -> str:
    """A line for each letter in the order of the alphabet, so that a shuffled scale jumps."""
    if len(letters) != len(BIN_EDGES) - 1:
        return ""
    bins = zip(letters, BIN_EDGES[:-1], BIN_EDGES[1:], strict=True)
    return "\n".join(f"{letter}: {_range(low, high)}" for letter, low, high in sorted(bins))


def _range(low: float, high: float) -> str:
    if low == 0:
        return f"below {high:g}%"
    return f"above {low:g}%" if high == 100 else f"{low:g}% to {high:g}%"


def _listed(letters: Sequence[str]) -> str:
    return f"{', '.join(letters[:-1])} or {letters[-1]}"
