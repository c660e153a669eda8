"""Encode one text once: ids, offsets, one rule for special strings and one for BOS."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from augury.errors import ConfigError, DataError
from augury.traces.offsets import offsets_of_ids
from augury.traces.tokenizer import Tokenizer, special_contents

__all__ = ["Bos", "Encoding", "bos_of", "encode"]

Bos = Literal["auto", "always", "never"]

Zone = tuple[int, int]


@dataclass(frozen=True, eq=False, slots=True)
class Encoding:
    """Ids of a text and where they stand in it."""

    ids: np.ndarray
    """int32 [token]."""

    starts: np.ndarray
    """int32 [token], first code point of each token, from 0."""

    ends: np.ndarray
    """int32 [token], one past its last code point."""

    def __len__(self) -> int:
        """Number of tokens."""
        return len(self.ids)


def bos_of(tokenizer: Tokenizer, rule: Bos, ids: Sequence[int]) -> tuple[int, ...]:
    """Ids to put before a text that encodes to `ids`: nothing, or one BOS.

    `auto` does what the tokenizer does to a plain text, except that a BOS which the text's own
    template has already written is not written again. `always` and `never` are checked.

    Raises:
        ConfigError: The text would begin with two BOS, or the rule contradicts the tokenizer.
    """
    bos = tokenizer.bos_token_id
    written = 0
    while bos is not None and written < len(ids) and ids[written] == bos:
        written += 1
    if rule == "always" and bos is None:
        raise _bos_error("the tokenizer has no BOS token", "a tokenizer with one", "set bos: auto")
    if rule == "never" and written:
        raise _bos_error(
            "the prompt template writes a BOS and the rule is 'never'", "no BOS", "set bos: auto"
        )
    prefix: tuple[int, ...] = (bos,) if rule == "always" and bos is not None else ()
    if rule == "auto" and not written:
        prefix = _own_prefix(tokenizer)
    if written + len(prefix) > 1:
        raise _bos_error(
            f"{written} BOS in the text and {len(prefix)} added (id {bos})",
            "exactly one BOS",
            "set bos: auto, or remove the BOS string from the prompt template",
        )
    return prefix


def encode(text: str, tokenizer: Tokenizer, literal: Sequence[Zone]) -> Encoding:
    """Encode `text` without adding anything.

    Special-token strings are parsed outside the `literal` zones; a string that touches a literal
    zone is encoded as the plain text that it is. Offsets are monotone and cover all but white
    space; white space that a tokenizer trims from its offsets is given to the token after it.

    Args:
        text: Any text with a UTF-8 form.
        tokenizer: Decides ids.
        literal: Code-point ranges `[start, end)` of foreign text.

    Raises:
        ConfigError: The tokenizer gives no usable offsets, or parses foreign special strings.
    """
    specials = special_contents(tokenizer)
    found = [(hit.start(), hit.end()) for hit in _pattern(specials).finditer(text)]
    foreign = [hit for hit in found if _touches(hit, literal)]
    if not foreign or len(foreign) == len(found):
        encoding = _call(text, tokenizer, split=bool(foreign))
    else:
        encoding = _pieces(text, tokenizer, [hit for hit in found if hit not in foreign])
        # Only some tokenizers treat every stretch between special tokens alike; prove it.
        neutral = list(text)
        for start, end in foreign:
            neutral[start:end] = "x" * (end - start)
        stand_in = "".join(neutral)
        cut = _pieces(stand_in, tokenizer, [hit for hit in found if hit not in foreign])
        if not np.array_equal(cut.ids, _call(stand_in, tokenizer, split=False).ids):
            raise ConfigError(
                "tokenizer",
                found="special tokens in the prompt and special-token strings in foreign text, "
                "and it reads text after a special token differently from text by itself",
                expected="a tokenizer that can do both, or traces that need only one",
                fix="set the prompt style to 'plain'",
            )
    _check_foreign(encoding, set(specials.values()), foreign)
    return encoding


def _call(text: str, tokenizer: Tokenizer, *, split: bool) -> Encoding:
    if not text:
        return Encoding(*(np.zeros(0, dtype=np.int32) for _ in range(3)))
    options: dict[str, Any] = {
        "add_special_tokens": False,
        "split_special_tokens": split,
        "truncation": False,
        "padding": False,
        "verbose": False,
    }
    try:
        answer: Mapping[str, Any] = tokenizer(text, return_offsets_mapping=True, **options)
    except NotImplementedError:
        answer = tokenizer(text, **options)
    ids = np.asarray(answer["input_ids"], dtype=np.int32)
    offsets = answer.get("offset_mapping")
    if offsets is not None and len(ids):
        flat = np.asarray(offsets, dtype=np.int32).reshape(len(ids), 2)
        starts, ends = _untrimmed(text, flat[:, 0].copy(), flat[:, 1].copy())
        if _usable(text, starts, ends):
            return Encoding(ids, starts, ends)
    try:
        return Encoding(ids, *offsets_of_ids(tokenizer, ids.tolist(), text))
    except DataError as error:
        raise ConfigError(
            "tokenizer offsets",
            found="none" if offsets is None else "zero-width, backward or missing offsets",
            expected="one code-point range per token, covering the text, or ids that decode to it",
            fix="use a fast tokenizer (tokenizers >= 0.22)",
        ) from error


def _untrimmed(text: str, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets without gaps.

    Trimmed white space goes to the token after it, and characters that a normaliser merged away
    (combining marks) to the token before.
    """
    merges = not unicodedata.is_normalized("NFKC", text)
    done = 0
    for k in range(len(starts)):
        start = int(starts[k])
        if start > done:
            if not text[done:start].strip():
                starts[k] = done
            elif merges and k:
                mark = start
                while text[mark - 1].isspace():
                    mark -= 1
                ends[:k][ends[:k] == done] = mark
                starts[k] = mark
        done = max(done, int(ends[k]))
    if merges and len(ends) and text[done:].strip():
        ends[ends == done] = len(text.rstrip())
    return starts, ends


def _usable(text: str, starts: np.ndarray, ends: np.ndarray) -> bool:
    if np.any(ends <= starts) or np.any(np.diff(starts) < 0) or np.any(np.diff(ends) < 0):
        return False
    reach = np.concatenate([[0], ends[:-1]])
    return bool(np.all(starts <= reach)) and not text[int(ends[-1]) :].strip()


def _pieces(text: str, tokenizer: Tokenizer, parsed: Sequence[Zone]) -> Encoding:
    """Encode the stretches between parsed special strings by themselves, as the library does."""
    by_content = {token.content: token for token in tokenizer.added_tokens_decoder.values()}
    specials = special_contents(tokenizer)
    parts: list[Encoding] = []
    done = 0
    for start, end in [*parsed, (len(text), len(text))]:
        token = by_content.get(text[start:end])
        stop, resume = start, end
        while token is not None and token.lstrip and stop > done and text[stop - 1].isspace():
            stop -= 1
        while token is not None and token.rstrip and text[resume : resume + 1].isspace():
            resume += 1
        piece = _call(text[done:stop], tokenizer, split=True)
        parts.append(Encoding(piece.ids, piece.starts + done, piece.ends + done))
        if token is not None:
            single = ([specials[token.content]], [stop], [resume])
            parts.append(Encoding(*(np.asarray(value, dtype=np.int32) for value in single)))
        done = resume
    return Encoding(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.starts for part in parts]),
        np.concatenate([part.ends for part in parts]),
    )


def _check_foreign(encoding: Encoding, specials: set[int], foreign: Sequence[Zone]) -> None:
    for start, end in foreign:
        inside = encoding.ids[(encoding.starts < end) & (encoding.ends > start)]
        parsed = specials.intersection(inside.tolist())
        if parsed:
            raise ConfigError(
                "tokenizer",
                found=f"it parses special-token strings in foreign text (ids {sorted(parsed)})",
                expected="a tokenizer that honours split_special_tokens",
                fix="use a fast tokenizer, or remove the strings from the text",
            )


def _own_prefix(tokenizer: Tokenizer) -> tuple[int, ...]:
    plain = list(tokenizer("a", add_special_tokens=False)["input_ids"])
    dressed = list(tokenizer("a", add_special_tokens=True)["input_ids"])
    for first in range(len(dressed) - len(plain) + 1):
        if dressed[first : first + len(plain)] == plain:
            if first <= 1:
                return tuple(dressed[:first])
            break
    raise _bos_error(
        f"the tokenizer turns ids {plain} into {dressed}", "one BOS or none before the text", ""
    )


def _bos_error(found: str, expected: str, fix: str) -> ConfigError:
    return ConfigError("BOS", found=found, expected=expected, fix=fix)


def _pattern(specials: Mapping[str, int]) -> re.Pattern[str]:
    longest_first = sorted(specials, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def _touches(hit: Zone, zones: Sequence[Zone]) -> bool:
    return any(hit[0] < end and start < hit[1] for start, end in zones)
