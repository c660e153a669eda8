r"""Read the number that a solution ends with, and compare it with the right one.

The first version took the first line that looked like an answer and compared strings, so
`\boxed{621}`, `621.` and `5 pounds.` were wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from augury.errors import DataError

__all__ = [
    "AnswerState",
    "NumericAnswer",
    "is_number",
    "judge_answer",
    "read_answer",
    "same_number",
]

Rule = Literal["boxed", "marked", "last number", "none"]
AnswerState = Literal["right", "wrong", "unparsed", "truncated"]

_DIGITS = 1000
"""Longer ones are no answers, and take long to convert."""

_TOLERANCE = Fraction(1, 10**6)
_NUMBER = re.compile(
    r"""
    (?<![\d.]:)(?<![\d.])
    (?P<sign>(?<![\w)\]}])[-−])?\s?[$€£]?\s?
    (?:
        (?P<whole>\d+)\s+(?P<mixed_top>\d+)\s?/\s?(?P<mixed_bottom>\d+)
      | \\[dt]?frac\{\s*(?P<frac_top>-?\d+)\s*\}\s*\{\s*(?P<frac_bottom>\d+)\s*\}
      | (?P<top>\d+)\s?/\s?(?P<bottom>\d+)(?![\d/])
      | (?P<plain>(?:\d{1,3}(?:(?:,|\\,|\{,\}|\\!,)\d{3})+|\d+)(?:\.\d+)?|\.\d+)
        (?P<power>[eE][+-]?\d{1,3})?
    )(?!\d|:\d|(?:st|nd|rd|th)\b)
    """,
    re.VERBOSE,
)
_MARK = re.compile(
    r"(?:^|\n)\s*\#{4}\s*"
    r"|(?:^|\n)\s*[*_]*A[*_]*\s*:"
    r"|(?<![\w/])(?:final\s+)?answer[*_]*\s*(?:(?:is|was|equals|would\s+be|should\s+be|will\s+be)\b[*_]*\s*:?|[:=]|[*_]*:)"
    r"|(?:^|\n)\s*[*_]*final[*_]*\s*:",
    re.IGNORECASE,
)
# Words, degree signs and percent signs beside a number say what it counts.
_UNIT = re.compile(
    r"\\(?:text|mathrm|mbox)\s*\{[^{}]*\}|\^?\{?\\?circ\}?|\^\s*\\circ|°|\\?%|\\[!,;: ]"
    r"|\\left|\\right|\\\$|(?<![\w\\])[A-Za-z]{2,}(?!\w)"
)
_CALCULATION = re.compile(r"<<[^<>\n]*>>")


@dataclass(frozen=True, slots=True)
class NumericAnswer:
    """What was read."""

    value: Fraction | None
    """None where no number could be read."""

    text: str
    """The piece of text that was read as the number."""

    rule: Rule
    """What pointed at it: `boxed`, `marked` (`####`, `A:`, `the answer is`, `Final:`), or nothing
    but being the last number."""


def read_answer(text: str) -> NumericAnswer:
    r"""The number that a solution gives as its result.

    The last `\boxed{}` counts, and holds one number or none is read; else the last mark of an
    answer that a number follows on its line; else the last line with a number: what its last `=`
    gives, or its last number. Currency, units, percent signs, thousands separators, LaTeX
    fractions, mixed numbers and calculator marks `<<...>>` are understood; clock times and ordinals
    are no numbers.
    """
    text = _CALCULATION.sub("", text)
    boxed = _last_box(text)
    if boxed is not None:
        return NumericAnswer(_only_number(boxed), boxed, "boxed")
    for mark in reversed(list(_MARK.finditer(text))):
        line = text[mark.end() :].lstrip().partition("\n")[0]
        found = _numbers(_right_side(line))
        if found:
            return NumericAnswer(found[0][0], found[0][1], "marked")
    for line in reversed(text.split("\n")):
        found = _numbers(line)
        if found:
            side = _right_side(line)
            value, piece = found[-1] if side == line else (_numbers(side) or found)[0]
            return NumericAnswer(value, piece, "last number")
    return NumericAnswer(None, "", "none")


def same_number(one: Fraction, other: Fraction) -> bool:
    """Whether two numbers are the same but for rounding: within a millionth of the larger."""
    return abs(one - other) <= _TOLERANCE * max(abs(one), abs(other))


def is_number(gold: str) -> bool:
    """Whether an answer is one number, so that `judge_answer` can compare with it."""
    return _only_number(gold) is not None


def judge_answer(text: str, gold: str, *, finished: bool) -> AnswerState:
    r"""Compare a solution with the right answer.

    `truncated` is a solution that was cut before it gave an answer, `unparsed` one in which no
    number could be read: neither is a wrong answer.

    Args:
        text: The solution.
        gold: The right answer.
        finished: Whether the writer ended it, and no limit did.

    Raises:
        DataError: `gold` is not a number (`4\sqrt{2}`, an interval).
    """
    right = _only_number(gold)
    if right is None:
        raise DataError("gold answer", found=repr(gold), expected="one number")
    answer = read_answer(text)
    if not finished and answer.rule in ("last number", "none"):
        return "truncated"
    if answer.value is None:
        return "unparsed"
    return "right" if same_number(answer.value, right) else "wrong"


def _only_number(text: str) -> Fraction | None:
    """The number that a piece of mathematics is, units aside; None where it is more than one."""
    bare = _UNIT.sub(" ", _right_side(text)).strip().rstrip(".")
    hit = _NUMBER.fullmatch(bare)
    return _value(hit) if hit else None


def _last_box(text: str) -> str | None:
    at = text.rfind("\\boxed")
    if at < 0:
        return None
    start = text.find("{", at)
    if start < 0 or text[at + len("\\boxed") : start].strip():
        return None
    depth = 0
    for end in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0:
            return text[start + 1 : end]
    return None


def _right_side(text: str) -> str:
    """What follows the last `=` that a number follows."""
    side = text.rpartition("=")[2]
    return side if _NUMBER.search(side) else text


def _numbers(text: str) -> list[tuple[Fraction, str]]:
    out = []
    for hit in _NUMBER.finditer(text):
        value = _value(hit)
        if value is not None:
            out.append((value, hit.group().strip()))
    return out


def _value(hit: re.Match[str]) -> Fraction | None:
    part = hit.groupdict()
    if sum(map(str.isdigit, hit.group())) > _DIGITS:
        return None
    try:
        if part["mixed_top"]:
            value = Fraction(part["whole"]) + Fraction(
                int(part["mixed_top"]), int(part["mixed_bottom"])
            )
        elif part["frac_top"]:
            value = Fraction(int(part["frac_top"]), int(part["frac_bottom"]))
        elif part["top"]:
            value = Fraction(int(part["top"]), int(part["bottom"]))
        else:
            plain = re.sub(r"[,\\{}!]", "", part["plain"])
            value = Fraction(plain + (part["power"] or ""))
    except ZeroDivisionError:
        return None
    return -value if part["sign"] else value
