"""The books of a run: passages of text, and which of them are nearly the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import xxhash

from augury.errors import DataError, MissingInput
from augury.organism.books import write_books
from augury.runs.paths import expand
from augury.runs.progress import say, track
from augury.studies.next_token.config import BookConfig
from augury.targets.near_duplicates import NearDuplicate, merge_groups, near_duplicates, sketch
from augury.traces.sources.gutenberg import stream_gutenberg
from augury.traces.sources.plain_text import cut_text, read_plain_text
from augury.traces.tokenizer import Tokenizer
from augury.traces.trace import Origin, Trace

__all__ = ["Books", "gather_books", "gutenberg_passages"]

_ORGANISM_BOOKS = 120
_GUTENBERG_BOOKS = 1000


@dataclass(frozen=True)
class Books:
    """Passages of all books; books that are nearly the same have one group."""

    passages: list[Trace]
    """Book after book; `group` is the book."""

    near_duplicates: tuple[NearDuplicate, ...]
    """Pairs of books that were put together."""


def gather_books(config: BookConfig, tokenizer: Tokenizer) -> Books:
    """Read, stream or write the books, and put those together that are nearly the same.

    Raises:
        MissingInput: The files, the data set or the package that streams it are not there.
        DataError: A file is not UTF-8; no book is long enough.
    """
    passages, sketches = [], {}
    for name, book in track(_books(config, tokenizer), what="reading books", unit="books"):
        sketches[name] = sketch("\n".join(passage.completion for passage in book))
        passages += _spread(book, config.passages)
    if not passages:
        raise DataError(
            f"books.source {config.source}",
            found=f"no book of at least {config.least} code points",
            expected="at least one",
            fix="set books.least lower, or name longer texts",
        )
    pairs = near_duplicates(sketches, least=config.near_duplicate)
    group = merge_groups(list(sketches), pairs)
    for pair in pairs:
        say(f"{pair.first} and {pair.second} share {pair.shared:.0%} of their text: one book now")
    return Books([replace(each, group=group[each.group]) for each in passages], pairs)


def gutenberg_passages(config: BookConfig) -> Iterator[list[Trace]]:
    """The passages of one book of Project Gutenberg after the other."""
    limit = config.limit or _GUTENBERG_BOOKS
    books = stream_gutenberg(
        config.dataset, config.language, revision=config.revision, least=config.least
    )
    for (name, text), _ in zip(books, range(limit), strict=False):
        origin = Origin(config.dataset, xxhash.xxh3_128_hexdigest(text.encode()))
        yield cut_text(text, name, group=name, origin=origin, passage=config.passage)


def _books(config: BookConfig, tokenizer: Tokenizer) -> Iterator[tuple[str, list[Trace]]]:
    if config.source == "organism":
        limit = config.limit or _ORGANISM_BOOKS
        found: Iterator[list[Trace]] = write_books(limit, config.seed, tokenizer)
    elif config.source == "gutenberg":
        found = gutenberg_passages(config)
    else:
        found = _files(config)
    seen: set[str] = set()
    for book in found:
        name = book[0].group
        if name in seen:
            raise DataError(
                f"book {name!r}", found="the same name twice", expected="one name per book"
            )
        seen.add(name)
        yield name, book


def _files(config: BookConfig) -> Iterator[list[Trace]]:
    path = Path(expand(str(config.path), "books.path")).expanduser()
    files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    if not files:
        raise MissingInput(
            f"books.path {path}",
            found="a folder without a text file",
            expected="*.txt, one book each",
            fix="name the folder that holds the books",
        )
    for file in files[: config.limit]:
        book = read_plain_text(file, passage=config.passage)
        if sum(len(passage.completion) for passage in book) >= config.least:
            yield book


def _spread(book: Sequence[Trace], most: int) -> list[Trace]:
    """At most so many passages, each from the middle of its share of the book."""
    if len(book) <= most:
        return list(book)
    return [book[int((number + 0.5) * len(book) / most)] for number in range(most)]
