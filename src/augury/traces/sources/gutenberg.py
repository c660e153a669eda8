"""Project Gutenberg from the hub, streamed: no book is stored but those that are read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from augury.errors import DataError, MissingInput
from augury.traces.text import check_encodable

__all__ = ["body_of", "stream_gutenberg"]


_START = re.compile(r"^.*\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG.*$", re.M | re.I)
_END = re.compile(r"^.*\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG.*$", re.M | re.I)


def body_of(text: str) -> str:
    """A book without the lines of Project Gutenberg around it: preamble, licence.

    The same licence under every book would be the same text on both sides of a split.
    """
    start, end = _START.search(text), _END.search(text)
    first = start.end() if start else 0
    last = end.start() if end and end.start() > first else len(text)
    return text[first:last].strip()


def stream_gutenberg(
    dataset: str, language: str, *, revision: str | None, least: int
) -> Iterator[tuple[str, str]]:
    """Name and body of one book after the other, in the order of the data set.

    Args:
        dataset: Hub id of a data set with the columns `id` and `text` and a split per language.
        language: One of its splits.
        revision: Commit of the data set; None for the newest.
        least: Shorter bodies, in code points, are left out.

    Raises:
        MissingInput: The package `datasets` is not installed, or the data set cannot be reached.
        DataError: A row has no id or text.
    """
    try:
        from datasets import load_dataset
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise MissingInput(
            f"data set {dataset}",
            found="the package datasets is not installed",
            fix="pip install 'augury[datasets]', or name files with books.source=files",
        ) from error
    try:
        rows = load_dataset(dataset, split=language, revision=revision, streaming=True)
        yield from _books(iter(rows), f"{dataset}:{language}", least)
    except (OSError, ValueError, HfHubHTTPError) as error:
        if isinstance(error, DataError):
            raise
        reason = (str(error).strip().splitlines() or [""])[0]
        raise MissingInput(
            f"data set {dataset}, split {language}",
            found=f"the hub gave {type(error).__name__}: {reason}",
            expected="a data set that can be reached",
            fix="check the network, or name files with books.source=files",
        ) from error


def _books(rows: Iterator[Mapping[str, Any]], where: str, least: int) -> Iterator[tuple[str, str]]:
    for number, row in enumerate(rows, start=1):
        name, text = row.get("id"), row.get("text")
        if not isinstance(name, str) or not isinstance(text, str):
            raise DataError(
                f"{where}:{number}", found=f"columns {sorted(row)}", expected="texts: id, text"
            )
        check_encodable(text, f"{where}:{number}:text")
        body = body_of(text)
        if len(body) >= least:
            yield name, body
