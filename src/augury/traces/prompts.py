"""Put a problem into the form in which the model reads it; chat templates are applied only here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from augury.errors import ConfigError
from augury.traces.tokenizer import Tokenizer
from augury.traces.trace import Span

__all__ = ["LITERAL", "PromptStyle", "Rendered", "prefilled", "render_prompt"]

PromptStyle = Literal["chat", "plain", "none"]

LITERAL = "literal"
"""Label of the span of a prompt that is foreign text: special-token strings in it stay text."""

_THINK = "<think>"
_STAND_IN = "augury\ue000stand\ue001in"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt, and where in it the problem stands."""

    text: str
    """The prompt, special-token strings of its template included."""

    literal: tuple[int, int]
    """Code points `[start, end)` of the problem inside `text`, from 0."""

    def spans(self) -> tuple[Span, ...]:
        """The literal range as a span for a trace; empty where the problem is empty."""
        start, end = self.literal
        return (Span(start, end, LITERAL, "prompt"),) if start < end else ()


def render_prompt(problem: str, tokenizer: Tokenizer | None, *, style: PromptStyle) -> Rendered:
    r"""Render `problem` as a prompt.

    Args:
        problem: The user's text, taken literally.
        tokenizer: Needed by `chat` only.
        style: `chat` is the tokenizer's template with the generation prompt; `plain` is
            `User: {problem}\n\nAssistant: `; `none` is the problem itself.

    Raises:
        ConfigError: The style needs a chat template that is absent, fails, or changes the problem.
    """
    if style == "none":
        return Rendered(problem, (0, len(problem)))
    if style == "plain":
        head = "User: "
        text = f"{head}{problem}\n\nAssistant: "
        return Rendered(text, (len(head), len(head) + len(problem)))
    return _render_chat(problem, tokenizer)


def prefilled(rendered: Rendered, prefill: str) -> Rendered:
    """The prompt with the beginning of the answer behind it.

    A `<think>` that the template opens by itself, as that of DeepSeek-R1's models does, gives way
    to it: nothing is opened twice, and a prefill without the tag means no tag.
    """
    end = rendered.literal[1]
    head, tail = rendered.text[:end], rendered.text[end:]
    if tail.rstrip().endswith(_THINK):
        tail = tail.rstrip().removesuffix(_THINK)
    return Rendered(head + tail + prefill, rendered.literal)


def _render_chat(problem: str, tokenizer: Tokenizer | None) -> Rendered:
    if tokenizer is None or not tokenizer.chat_template:
        raise ConfigError(
            "prompt style 'chat'",
            found="a tokenizer without chat template" if tokenizer else "no tokenizer",
            expected="a tokenizer with a chat template",
            fix="set the prompt style to 'plain'",
        )
    text = _apply(tokenizer, problem)
    # The problem may repeat words of the template, so its place is found by rendering a stand-in
    # that cannot occur in either.
    head, found, tail = _apply(tokenizer, _STAND_IN).partition(_STAND_IN)
    middle = text[len(head) : len(text) - len(tail)]
    framed = found and text.startswith(head) and text.endswith(tail)
    if not framed or middle not in (problem, problem.strip()):
        raise ConfigError(
            "chat template",
            found="it rewrites the problem or depends on its words",
            expected="a template that holds the user's text unchanged, once",
            fix="set the prompt style to 'plain', or repair the template",
        )
    return Rendered(text, (len(head), len(head) + len(middle)))


def _apply(tokenizer: Tokenizer, problem: str) -> str:
    conversation = [{"role": "user", "content": problem}]
    try:
        return str(
            tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
        )
    except Exception as error:  # templates are foreign programs: they raise whatever they like
        raise ConfigError(
            "chat template",
            found=f"it failed: {type(error).__name__}: {error}",
            expected="a template that renders one user turn",
            fix="set the prompt style to 'plain', or repair the template",
        ) from error
