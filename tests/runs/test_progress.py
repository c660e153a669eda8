from __future__ import annotations

import io
import sys
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.runs import progress
from augury.runs.progress import printable, quiet, say, track


class Clock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "_clock", clock)
    return clock


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_printable_text_is_one_line_without_controls_and_otherwise_untouched(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in shown)
    assert not any(unicodedata.bidirectional(c) in BIDI for c in shown)
    assert printable(shown) == shown
    assert shown.encode("utf-8").decode("utf-8") == shown


BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def test_every_control_character_is_escaped_and_letters_are_not() -> None:
    assert printable("\x1b[31mred\x9b\x7f") == "\\x1b[31mred\\x9b\\x7f"
    assert printable("a\nb\tc\u202ed") == "a\\nb\\tc\\u202ed"
    assert printable("zażółć שלום 👩‍🔬") == "zażółć שלום 👩‍🔬"


def test_say_writes_one_line_whatever_the_message(capsys: pytest.CaptureFixture[str]) -> None:
    say("two\nlines \x1b[2J")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "two\\nlines \\x1b[2J\n")


def test_quiet_silences_say_and_track_and_ends(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    with quiet():
        with quiet():
            say("inner")
        say("outer")
        for _ in track(range(3), what="reading"):
            clock.now += 100
    assert capsys.readouterr().err == ""
    say("after")
    assert capsys.readouterr().err == "after\n"


@pytest.mark.parametrize("total", [None, 5])
def test_track_yields_every_item_in_order_once(total: int | None) -> None:
    assert list(track(iter([3, 1, 2]), what="x", total=total)) == [3, 1, 2]
    assert list(track([], what="x")) == []


def test_a_job_under_ten_seconds_writes_no_plain_line(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    for _ in track(range(9), what="reading"):
        clock.now += 1
    assert capsys.readouterr().err == ""


def test_plain_lines_come_after_ten_seconds_and_then_every_thirty_with_rate_and_time_left(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    moments = []
    for _ in track(range(100), what="reading", unit="batch"):
        if err := capsys.readouterr().err:
            moments.append((clock.now - 1000, err))
        clock.now += 1
    last = capsys.readouterr().err
    assert [moment for moment, _ in moments] == [10, 40, 70]
    assert moments[0][1] == "reading: 10/100 batch (10 %), 1 batch/s, 1 min 30 s left\n"
    assert moments[2][1] == "reading: 70/100 batch (70 %), 1 batch/s, 30 s left\n"
    assert last.splitlines()[-1] == "reading: 100 batch in 1 min 40 s"


def test_without_a_total_the_time_so_far_is_told(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    for _ in track(iter(range(3)), what="reading"):
        clock.now += 3600
    assert "reading: 1 it, 3.6e+03 s/it, 1 h 00 min so far" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    return terminal


def test_a_terminal_shows_a_bar_only_after_two_seconds(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    terminal = _on_terminal(monkeypatch)
    items: Iterator[int] = track(range(10), what="[bold]reading\x1b", unit="batch")
    assert [next(items), next(items)] == [0, 1]
    assert terminal.getvalue() == ""
    clock.now += 2
    assert list(items) == list(range(2, 10))
    assert "[bold]reading\\x1b" in terminal.getvalue()
    assert "10 batch in 2 s" in terminal.getvalue()


def test_a_short_job_leaves_the_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _on_terminal(monkeypatch)
    assert list(track(range(10), what="reading")) == list(range(10))
    assert terminal.getvalue() == ""


def test_a_closed_terminal_does_not_end_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.close()
    monkeypatch.setattr(sys, "stderr", terminal)
    say("nobody hears this")
