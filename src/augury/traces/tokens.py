"""Tokenise a trace: the only way from text to ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from augury.errors import ConfigError, DataError
from augury.traces.encode import Bos, Encoding, bos_of, encode
from augury.traces.offsets import offsets_of_ids
from augury.traces.prompts import LITERAL, Rendered
from augury.traces.text import check_encodable
from augury.traces.tokenised import (
    ANSWER,
    PROMPT,
    TEMPLATE,
    THINKING,
    TokenisedTrace,
    read_given_ids,
    read_tokenised,
    write_tokenised,
)
from augury.traces.tokenizer import Tokenizer, special_contents
from augury.traces.trace import Trace

__all__ = [
    "ANSWER",
    "PROMPT",
    "TEMPLATE",
    "THINKING",
    "TokenisedTrace",
    "encode_prompt",
    "offsets_of_ids",
    "read_given_ids",
    "read_tokenised",
    "tokenise",
    "tokenise_as",
    "tokenise_prompt",
    "write_tokenised",
]

_OPEN, _CLOSE = "<think>", "</think>"


def encode_prompt(rendered: Rendered, tokenizer: Tokenizer, *, bos: Bos = "auto") -> list[int]:
    """Ids of a prompt by itself, BOS included: what a model is fed before it writes.

    Raises:
        ConfigError: As `tokenise`.
    """
    zones = [rendered.literal] if rendered.literal[0] < rendered.literal[1] else []
    ids = [int(number) for number in encode(rendered.text, tokenizer, zones).ids]
    return [*bos_of(tokenizer, bos, ids), *ids]


def tokenise(trace: Trace, tokenizer: Tokenizer, *, bos: Bos = "auto") -> TokenisedTrace:
    """Encode a trace once, whole.

    Special-token strings are parsed in the prompt's template only; in the completion, and in spans
    of the prompt labelled `literal`, they are plain text. Where `fields["token_ids"]` holds the
    completion's own ids (space-joined), those are used even if the text would encode differently.

    Thinking is the completion up to and including `</think>`, or all of it when it opens `<think>`
    (or the prompt ends with it) without closing; the rest is answer.

    Args:
        trace: With a completion that is not empty.
        tokenizer: A fast hub tokenizer.
        bos: `auto` puts one BOS first if the tokenizer would and the template has not.

    Raises:
        DataError: The completion is empty, the text has no UTF-8 form, or its own ids do not
            decode to it.
        ConfigError: Two BOS, or a tokenizer whose offsets cannot be trusted.
    """
    where = f"trace {trace.id!r}"
    if not trace.completion.strip():
        raise DataError(
            f"{where}: completion",
            found="nothing but white space" if trace.completion else "an empty text",
            expected="text to study",
            fix="drop the trace",
        )
    return _encoded(trace, tokenizer, bos)


def tokenise_prompt(trace: Trace, tokenizer: Tokenizer, *, bos: Bos = "auto") -> TokenisedTrace:
    """Encode a trace that is all prompt, as `tokenise` does: nothing is written yet.

    No token belongs to a completion, so `first_row` is the number of tokens.

    Raises:
        DataError: There is a completion, or nothing at all.
        ConfigError: As `tokenise`.
    """
    if trace.completion or not trace.prompt.strip():
        raise DataError(
            f"trace {trace.id!r}",
            found="a completion" if trace.completion else "an empty prompt",
            expected="a prompt, and nothing behind it",
        )
    return _encoded(trace, tokenizer, bos)


def tokenise_as(trace: Trace, ids: Sequence[int], tokenizer: Tokenizer) -> TokenisedTrace:
    """Place the ids that a model was fed elsewhere; the text is not encoded again.

    One BOS in front may be more than the text shows. The ids may end before the text does: the
    last token that a model samples is never fed to it.

    Args:
        trace: The text; what the ids decode to is its beginning.
        ids: All that the model was fed, prompt and BOS included.
        tokenizer: Of that model.

    Raises:
        DataError: The ids are not those of the text, begin with two BOS, or end in the prompt.
    """
    ids = [int(number) for number in ids]
    where = f"trace {trace.id!r}: ids"
    check_encodable(trace.text, f"trace {trace.id!r}: text")
    bos = tokenizer.bos_token_id
    added = ids[:1] == [bos]
    if added and ids[1:2] == [bos]:
        raise DataError(where, found=f"two BOS in front (id {bos})", expected="at most one")
    for lead in (0, 1) if added else (0,):
        given = ids[lead:]
        decoded = str(
            tokenizer.decode(given, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        )
        for text in (trace.text, decoded):
            if not (text and trace.text.startswith(text)):
                continue
            try:
                starts, ends = offsets_of_ids(tokenizer, given, text)
            except DataError:
                continue
            if int(ends[-1]) <= len(trace.prompt):
                found = "ids that end inside the prompt"
                raise DataError(where, found=found, expected="ids of the completion too")
            encoding = Encoding(np.asarray(given, dtype=np.int32), starts, ends)
            return _assembled(trace, tokenizer, encoding, tuple(ids[:lead]))
    raise DataError(
        where,
        found=f"{len(ids)} ids that decode to {decoded[:40]!r}...",
        expected=f"ids of the text {trace.text[:40]!r}..., or of its beginning",
        fix="give the text exactly as the tokenizer decodes the ids, special tokens kept",
    )


def _encoded(trace: Trace, tokenizer: Tokenizer, bos: Bos) -> TokenisedTrace:
    where = f"trace {trace.id!r}"
    check_encodable(trace.text, f"{where}: text")
    try:
        encoding = _encoding(trace, tokenizer)
        prefix = bos_of(tokenizer, bos, encoding.ids[:3].tolist())
    except (ConfigError, DataError) as error:
        where = f"{where}: {error.where}"
        raise type(error)(
            where, found=error.found, expected=error.expected, fix=error.fix
        ) from error
    return _assembled(trace, tokenizer, encoding, prefix)


def _encoding(trace: Trace, tokenizer: Tokenizer) -> Encoding:
    cut = len(trace.prompt)
    zones = [(span.start, min(span.end, cut)) for span in trace.spans if span.label == LITERAL]
    zones = [zone for zone in zones if zone[0] < zone[1]]
    whole = encode(trace.text, tokenizer, [*zones, (cut, len(trace.text))])
    own = _own_ids(trace)
    if own is None:
        return whole
    first = len(whole) - len(own)
    if (
        first >= 0
        and whole.ids[first:].tolist() == own
        and (not first or whole.ends[first - 1] <= cut)
    ):
        return whole
    prompt = encode(trace.prompt, tokenizer, zones)
    starts, ends = offsets_of_ids(tokenizer, own, trace.completion)
    return Encoding(
        np.concatenate([prompt.ids, np.asarray(own, dtype=np.int32)]),
        np.concatenate([prompt.starts, starts + np.int32(cut)]),
        np.concatenate([prompt.ends, ends + np.int32(cut)]),
    )


def _own_ids(trace: Trace) -> list[int] | None:
    stored = trace.fields.get("token_ids")
    if stored is None:
        return None
    numbers = str(stored).split()
    if not numbers or not all(number.isascii() and number.isdigit() for number in numbers):
        raise DataError(
            "fields.token_ids",
            found=repr(stored)[:60],
            expected="ids of the completion, joined by spaces",
            fix="store them as in '12 7 301', or remove the field",
        )
    return [int(number) for number in numbers]


def _assembled(
    trace: Trace, tokenizer: Tokenizer, encoding: Encoding, prefix: tuple[int, ...]
) -> TokenisedTrace:
    added = np.zeros(len(prefix), dtype=np.int32)
    ids = np.concatenate([np.asarray(prefix, dtype=np.int32), encoding.ids])
    starts = np.concatenate([added, encoding.starts])
    ends = np.concatenate([added, encoding.ends])
    special = np.isin(ids, np.asarray(list(special_contents(tokenizer).values()), dtype=np.int32))
    special[: len(prefix)] = True
    role = _roles(trace, starts, ends, special)
    written = ends > len(trace.prompt)
    first_row = int(np.argmax(written)) if written.any() else len(ends)
    for column in (ids, starts, ends, special, role):
        column.flags.writeable = False
    return TokenisedTrace(
        trace.id,
        trace.group,
        ids=ids,
        starts=starts,
        ends=ends,
        special=special,
        role=role,
        first_row=first_row,
        bos=bool(prefix) or int(ids[0]) == tokenizer.bos_token_id,
    )


def _roles(trace: Trace, starts: np.ndarray, ends: np.ndarray, special: np.ndarray) -> np.ndarray:
    cut = len(trace.prompt)
    role = np.full(len(starts), ANSWER, dtype=np.uint8)
    close = trace.completion.find(_CLOSE)
    opened = _OPEN in trace.completion or trace.prompt.rstrip().endswith(_OPEN)
    if close >= 0:
        role[starts < cut + close + len(_CLOSE)] = THINKING
    elif opened:
        role[:] = THINKING
    literal = [span for span in trace.spans if span.label == LITERAL and span.start < cut]
    in_prompt = ends <= cut
    role[in_prompt] = TEMPLATE if literal else PROMPT
    for span in literal:
        role[in_prompt & (starts < span.end) & (ends > span.start)] = PROMPT
    role[in_prompt & special] = TEMPLATE
    return role
