"""Cut a solution into sentences that begin at tokens, so that a model can go on before each.

The text before a sentence is what stands before *this* occurrence of it, as the ids that the model
was fed: nothing is searched for, and nothing is encoded anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from augury.errors import DataError
from augury.traces.sentences import split_sentences
from augury.traces.tokens import TokenisedTrace
from augury.traces.trace import Trace

__all__ = ["CutSentence", "cut_sentences", "first_sentence"]

_OPEN, _CLOSE = "<think>", "</think>"


@dataclass(frozen=True, slots=True)
class CutSentence:
    """One sentence; offsets in code points of prompt and solution together."""

    index: int
    start: int
    """Its first letter."""

    end: int
    """One past its last; white space aside."""

    token: int
    """First token of it or of the white space before it; the tokens before are the prefix."""

    prefix_end: int
    """Where the text of the prefix ends."""


def cut_sentences(trace: Trace, tokens: TokenisedTrace) -> list[CutSentence]:
    """The sentences of the thoughts of a solution, `</think>` and the answer behind it left out.

    Where a token holds the end of one sentence and the beginning of the next, the two are one.

    Args:
        trace: Prompt and solution.
        tokens: Of this trace.

    Raises:
        DataError: There are fewer than two sentences; the first begins inside a token of the
            prompt.
    """
    start, stop = _thoughts(trace)
    text = trace.text
    found: list[CutSentence] = []
    behind = start
    for low, high in split_sentences(text[start:stop]):
        words = text[start + low : start + high]
        first = start + low + len(words) - len(words.lstrip())
        end = start + low + len(words.rstrip())
        token = int((tokens.ends > first).argmax())
        at = int(tokens.starts[token])
        while token and tokens.starts[token - 1] >= behind < tokens.ends[token - 1]:
            token -= 1
        behind = end
        if not text[at:first].strip():
            prefix_end = int(tokens.starts[token])
            found.append(CutSentence(len(found), first, end, token, prefix_end))
        elif found:
            found[-1] = replace(found[-1], end=end)
        else:
            raise DataError(
                f"trace {trace.id!r}: solution",
                found=f"a first token {text[at : tokens.ends[token]]!r} that begins in the prompt",
                expected="a solution that begins with a token of its own",
                fix="let prompt.prefill end where a word can begin, e.g. with a line break",
            )
    if len(found) < 2:
        raise DataError(
            f"trace {trace.id!r}: solution", found=f"{len(found)} sentences", expected="at least 2"
        )
    return found


def first_sentence(continuation: str) -> str:
    """The sentence that a continuation writes first; where it ends the thoughts, it says so."""
    thoughts = continuation.partition(_CLOSE)[0]
    text = thoughts if thoughts.strip() else continuation
    ranges = split_sentences(text)
    return text[slice(*ranges[0])].strip() if ranges else ""


def _thoughts(trace: Trace) -> tuple[int, int]:
    start, text = len(trace.prompt), trace.text
    if trace.completion.lstrip().startswith(_OPEN):
        start = text.index(_OPEN, start) + len(_OPEN)
    stop = text.find(_CLOSE, start)
    return start, len(text) if stop < 0 else stop
