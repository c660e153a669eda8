"""Trace: one text that a model reads or wrote, with what is known about it."""

from __future__ import annotations

from dataclasses import dataclass, field

from augury.errors import DataError

__all__ = ["FieldValue", "Origin", "Span", "Trace"]

FieldValue = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Span:
    """A labelled piece of a trace's `text`, in code points, `text[start:end]`."""

    start: int
    """First code point, from 0, counted in `prompt + completion`."""

    end: int
    """One past the last code point."""

    label: str
    """What it is, e.g. `backtracking`. Any text; never used as a path."""

    source: str = ""
    """Who says so: `grammar`, `annotator:gpt-4o`, `detector`."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a trace comes from."""

    dataset: str
    """Name of the source, e.g. `annotated_chains` or `organism`."""

    revision: str = ""
    """Content hash or commit of the source."""

    model: str = ""
    """Model that wrote the completion; empty when a person did, or nobody knows."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One text. The unit of storage; `group` is the unit of every split and interval."""

    id: str
    """Unique in its collection. Any text; never used as a path."""

    group: str
    """What must never be split across train, validation and test: the problem, the book."""

    prompt: str
    """Text before the part that is studied, already in the form in which the model reads it."""

    completion: str
    """The text that is studied."""

    spans: tuple[Span, ...] = ()
    """Annotated spans, sorted by start; they may nest, and need not cover the text."""

    fields: dict[str, FieldValue] = field(default_factory=dict)
    """Typed facts about the trace, e.g. `category`, `gold_answer`."""

    origin: Origin = Origin(dataset="unknown")
    """Where it comes from; decides on-policy or off-policy."""

    @property
    def text(self) -> str:
        """`prompt + completion`: what spans count in and what is tokenised, once, whole."""
        return self.prompt + self.completion

    def __post_init__(self) -> None:
        length = len(self.prompt) + len(self.completion)
        for number, span in enumerate(self.spans):
            if not 0 <= span.start < span.end <= length:
                raise DataError(
                    f"trace {self.id!r}: span {number} ({span.label!r})",
                    found=f"[{span.start}, {span.end}) in a text of {length} code points",
                    expected="0 <= start < end <= length",
                    fix="count spans in code points of prompt + completion",
                )
