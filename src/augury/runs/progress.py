"""What a long job tells its user while it runs, on standard error only."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager, suppress
from typing import TypeVar

__all__ = ["printable", "quiet", "say", "track"]

T = TypeVar("T")

_SILENT_SECONDS = 2.0
"""A job that is over by then shows nothing."""

_FIRST_LINE_SECONDS, _NEXT_LINE_SECONDS = 10.0, 30.0
"""When plain lines are due; measured from the start, and from the line before."""

_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)

_clock: Callable[[], float] = time.monotonic
_quiet_depth = 0


def printable(text: str) -> str:
    r"""`text` on one line that cannot drive a terminal: C0, C1, bidi controls become `\x1b`."""
    return _UNPRINTABLE.sub(lambda match: _escaped(match.group()), text)


def say(message: str) -> None:
    """Write one line to standard error, escaped; nothing inside `quiet()`."""
    if _quiet_depth == 0 and sys.stderr is not None:
        # A closed terminal must not end a job that only wanted to report its progress.
        with suppress(OSError, ValueError):
            sys.stderr.write(printable(message) + "\n")
            sys.stderr.flush()


@contextmanager
def quiet() -> Iterator[None]:
    """Silence `say` and `track` inside the block, in all threads."""
    global _quiet_depth
    _quiet_depth += 1
    try:
        yield
    finally:
        _quiet_depth -= 1


def track(
    items: Iterable[T], *, what: str, total: int | None = None, unit: str = "it"
) -> Iterator[T]:
    """Yield `items` and report how far they are, with the rate and the time left.

    A bar on a terminal; elsewhere plain lines, the first after 10 s and then every 30 s. Nothing
    for jobs under 2 s. Reports come between items, so one long item is reported when it ends.

    Args:
        items: What to go through.
        what: What is being done, for the user: `"reading"`.
        total: Number of items; taken from `len(items)` where it has one.
        unit: What one item is: `"batch"`.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if _quiet_depth > 0:
        return iter(items)
    if sys.stderr is not None and sys.stderr.isatty():
        return _with_bar(items, what, total, unit)
    return _with_lines(items, what, total, unit)


def _with_lines(items: Iterable[T], what: str, total: int | None, unit: str) -> Iterator[T]:
    start = _clock()
    due, has_spoken = start + _FIRST_LINE_SECONDS, False
    done = 0
    for item in items:
        yield item
        done += 1
        now = _clock()
        if now >= due:
            say(_line(what, done, total, unit, now - start))
            due, has_spoken = now + _NEXT_LINE_SECONDS, True
    if has_spoken:
        say(_last_line(what, done, unit, _clock() - start))


def _with_bar(items: Iterable[T], what: str, total: int | None, unit: str) -> Iterator[T]:
    start = _clock()
    iterator = iter(items)
    done = 0
    while _clock() - start < _SILENT_SECONDS:
        try:
            item = next(iterator)
        except StopIteration:
            return
        yield item
        done += 1
    # rich is loaded only for the jobs that need a bar.
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[line]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(printable(what)), total=total, line="")
        for item in iterator:
            yield item
            done += 1
            line = escape(_line("", done, total, unit, _clock() - start))
            bar.update(task, completed=done, line=line)
    say(_last_line(what, done, unit, _clock() - start))


def _line(what: str, done: int, total: int | None, unit: str, seconds: float) -> str:
    rate = done / max(seconds, 1e-9)
    head = f"{what}: " if what else ""
    count = f"{done}/{total} {unit}" if total is not None else f"{done} {unit}"
    speed = f"{rate:.3g} {unit}/s" if rate >= 1 or done == 0 else f"{1 / rate:.3g} s/{unit}"
    if total is None:
        return f"{head}{count}, {speed}, {_duration(seconds)} so far"
    left = max(total - done, 0) / max(rate, 1e-9)
    share = f" ({100 * done / total:.0f} %)" if total > 0 else ""
    return f"{head}{count}{share}, {speed}, {_duration(left)} left"


def _last_line(what: str, done: int, unit: str, seconds: float) -> str:
    return f"{what}: {done} {unit} in {_duration(seconds)}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _escaped(character: str) -> str:
    simple = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    code = ord(character)
    return simple.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
