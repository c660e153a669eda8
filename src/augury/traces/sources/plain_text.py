"""Books: a text file cut into passages that never straddle two books."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import xxhash

from augury.errors import DataError, UsageError
from augury.traces.records import read_bytes
from augury.traces.trace import Origin, Trace

__all__ = ["cut_text", "read_plain_text"]

_PARAGRAPH_END = re.compile(r"\n[^\S\n]*\n\s*")
_SPACE = re.compile(r"\s+")


def read_plain_text(path: Path, *, passage: int | None = None, model: str = "") -> list[Trace]:
    """Read one trace per paragraph, or per passage of about `passage` code points.

    See `cut_text`; ids begin with the file's name without its ending, the group is that name.

    Args:
        path: A UTF-8 file.
        passage: As in `cut_text`.
        model: The model that wrote the text; empty for people.

    Raises:
        MissingInput: There is no such file.
        DataError: It is not UTF-8, or blank.
        UsageError: A passage under 20 code points.
    """
    raw = read_bytes(path, what="a text file")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            str(path), found=f"byte {error.start} is not UTF-8", expected="a UTF-8 text file"
        ) from error
    origin = Origin("plain_text", xxhash.xxh3_128_hexdigest(raw), model)
    traces = cut_text(text, path.stem, group=path.name, origin=origin, passage=passage)
    if not traces:
        raise DataError(str(path), found="nothing but white space", expected="text")
    return traces


def cut_text(
    text: str, name: str, *, group: str, origin: Origin, passage: int | None = None
) -> list[Trace]:
    """One trace per paragraph of a book, or per passage of about `passage` code points.

    Passages follow each other without overlap and are cut at white space. The text is kept as it
    is, hard line breaks included; white space between traces is dropped. The prompt is empty and
    all have one `group`, so a book is never split. `fields` is `offset`, the code point of the text
    at which the trace starts.

    Args:
        text: The whole book.
        name: Ids are this name and a number.
        group: Of every trace.
        origin: Of every trace.
        passage: Greatest length in code points, at least 20; None cuts at blank lines instead. A
            longer word is kept whole.

    Raises:
        UsageError: A passage under 20 code points.
    """
    if passage is not None and passage < 20:
        raise UsageError("passage", found=str(passage), expected="at least 20 code points")
    bounds = _paragraphs(text) if passage is None else _passages(text, passage)
    traces: list[Trace] = []
    for start, end in bounds:
        body = text[start:end]
        start += len(body) - len(body.lstrip())
        if body.strip():
            traces.append(
                Trace(
                    id=f"{name}_{len(traces)}",
                    group=group,
                    prompt="",
                    completion=body.strip(),
                    fields={"offset": start},
                    origin=origin,
                )
            )
    return traces


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    done = 0
    for gap in _PARAGRAPH_END.finditer(text):
        yield done, gap.start()
        done = gap.end()
    yield done, len(text)


def _passages(text: str, passage: int) -> Iterator[tuple[int, int]]:
    done = 0
    while done < len(text):
        end = done + passage
        if end < len(text) and not text[end].isspace():
            back = max((text.rfind(space, done + 1, end) for space in " \n\t"), default=-1)
            ahead = _SPACE.search(text, end)
            end = back if back > done else (ahead.start() if ahead else len(text))
        yield done, min(end, len(text))
        done = end
