"""Sentences tile the text and survive numbers, formulas and abbreviations."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.traces.sentences import split_sentences
from augury.traces.sources.annotated_chains import read_annotated_chains

PARTS = st.sampled_from(
    ["Wait", " ", ".", "\n", "1", "$", "\\[", "\\]", "e.g.", "?", "é", "- ", '"']
)


def pieces(text: str) -> list[str]:
    return [text[start:end].strip() for start, end in split_sentences(text)]


@given(st.lists(PARTS, max_size=30).map("".join))
@settings(max_examples=150, deadline=None)
def test_sentences_tile_the_text(text: str) -> None:
    ranges = split_sentences(text)
    assert "".join(text[start:end] for start, end in ranges) == text
    assert all(start < end for start, end in ranges)
    assert all(one[1] == two[0] for one, two in pairwise(ranges))
    if text.strip():
        assert all(text[start:end].strip() for start, end in ranges)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is 3.14. Wait, no! Why? Because.", ["It is 3.14.", "Wait, no!", "Why?", "Because."]),
        ("Use e.g. Dr. Smith, i.e. Him etc. Now.", ["Use e.g. Dr. Smith, i.e. Him etc. Now."]),
        ("1. Add two. 2. Stop.", ["1. Add two.", "2. Stop."]),
        ("Steps:\n1. Add\n2. Stop", ["Steps:", "1. Add", "2. Stop"]),
        ("So\n- one\n- two", ["So", "- one", "- two"]),
        ("So.\n - one", ["So.", "- one"]),
        ("One line\nnext line\n\nnew one", ["One line\nnext line", "new one"]),
        ("Let $x = 1. Y$ hold. Then.", ["Let $x = 1. Y$ hold.", "Then."]),
        ("So \\[ a. B\n\n = c \\] ends. Yes.", ["So \\[ a. B\n\n = c \\] ends.", "Yes."]),
        ("It costs $5. Then $6 more.", ["It costs $5.", "Then $6 more."]),
        ('He said "Stop." She left.', ['He said "Stop."', "She left."]),
        ("But... well, hmm. Ok.", ["But... well, hmm.", "Ok."]),
        ("George W. Bush saw it. P is Q. So", ["George W. Bush saw it.", "P is Q.", "So"]),
        ("Wait, no. See no. 5 there.", ["Wait, no.", "See no. 5 there."]),
        ("This is **bold.** Next.", ["This is **bold.**", "Next."]),
        ("", []),
        ("  ", [""]),
    ],
)
def test_known_texts_split_as_a_reader_would(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected


def test_sentences_start_where_people_saw_them_start(augury_data: Path) -> None:
    path = augury_data / "annotated_chains" / "all_annotated_chains.json"
    starts = found = 0
    for trace in read_annotated_chains(path).traces[:40]:
        ours = {start for start, _ in split_sentences(trace.completion)}
        for span in trace.spans[1:]:
            starts += 1
            found += span.start - len(trace.prompt) in ours
    assert found / starts > 0.97
