"""Inline markup in every broken form: placed exactly on the untouched text, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.traces.sources.inline_markup import FAULTS, Section, align_markup

SENTENCE = st.text(st.sampled_from('ab ["]-.,\n é🙂'), min_size=1, max_size=12).filter(str.strip)
LABEL = st.sampled_from(["deduction", "backtracking", "initializing"])
GAP = st.sampled_from(["", " ", "\n", "\n\n"])
MARKED = st.lists(st.tuples(LABEL, SENTENCE, GAP), min_size=1, max_size=6)


def tags(label: str, sentence: str) -> str:
    return f'["{label}"]{sentence}["end-section"]'


def texts(text: str, sections: tuple[Section, ...]) -> list[tuple[str, str]]:
    return [(one.label, text[one.start : one.end]) for one in sections]


@given(MARKED)
@settings(max_examples=120, deadline=None)
def test_clean_markup_round_trips_whatever_the_sentences_hold(
    parts: list[tuple[str, str, str]],
) -> None:
    text = "".join(sentence + gap for _, sentence, gap in parts)
    annotated = "".join(tags(label, sentence) + gap for label, sentence, gap in parts)
    marked = align_markup(annotated, text)
    assert texts(text, marked.sections) == [(a, sentence.strip()) for a, sentence, _ in parts]
    assert marked.similarity == 1.0 and set(marked.faults) <= {"tag-like text"}


@given(MARKED)
@settings(max_examples=80, deadline=None)
def test_lost_white_space_is_recovered_from_the_text(parts: list[tuple[str, str, str]]) -> None:
    text = "".join(sentence + gap for _, sentence, gap in parts)
    annotated = " ".join(tags(label, " ".join(words.split())) for label, words, _ in parts)
    marked = align_markup(annotated, text)
    assert texts(text, marked.sections) == [(a, words.strip()) for a, words, _ in parts]
    assert "text differs" not in marked.faults


TEXT = "Let me see.\n\nIt is 5. Wait, no.\nIt is 4. So 4 it is."
WAIT = ("backtracking", "Wait, no.")


@pytest.mark.parametrize(
    ("annotated", "sections", "faults"),
    [
        (
            '["initializing"]Let me see.["end-section"] ["deduction"]It is 5.',
            [("initializing", "Let me see."), ("deduction", "It is 5.")],
            {"unterminated section": 1, "tail not annotated": 1, "white space differs": 1},
        ),
        (
            '["initializing"]Let me see.\n\n["deduction"]It is 5.["end-section"]',
            [("initializing", "Let me see."), ("deduction", "It is 5.")],
            {"missing end tag": 1, "tail not annotated": 1},
        ),
        (
            'Let me see.["end-section"]\n\n["deduction"]It is 5.["end-section"]["end-section"]',
            [("deduction", "It is 5.")],
            {"orphan end tag": 2, "text outside tags": 1, "tail not annotated": 1},
        ),
        (
            'Let me see.\n\n["deduction"]It is 5. ["backtracking"]Wait, no.["end-section"]\n'
            'It is 4.["end-section"] So 4 it is.',
            [("deduction", "It is 5."), WAIT],
            {"missing end tag": 1, "orphan end tag": 1, "text outside tags": 3},
        ),
        (
            '["initializing"]["end-section"]["deduction"]Let me see.["end-section"]',
            [("deduction", "Let me see.")],
            {"empty section": 1, "tail not annotated": 1},
        ),
        ("", [], {"tail not annotated": 1}),
        (
            '["deduction"]Let me look.["end-section"] ["deduction"]It is 5.["end-section"] '
            '["backtracking"]wait, no!["end-section"]',
            [("deduction", "Let me see."), ("deduction", "It is 5."), WAIT],
            {"text differs": 1, "tail not annotated": 1},
        ),
        (
            '["deduction"]Let me see. Hm.["end-section"] ["deduction"]It 5.["end-section"] '
            '["backtracking"]Wait, no.["end-section"]',
            [("deduction", "Let me see."), ("deduction", "It is 5."), WAIT],
            {"text differs": 1, "tail not annotated": 1},
        ),
    ],
    ids=[
        "unterminated",
        "missing end",
        "orphan end",
        "nested",
        "empty",
        "no annotation",
        "changed words",
        "added and dropped words",
    ],
)
def test_each_fault_is_repaired_and_counted(
    annotated: str, sections: list[tuple[str, str]], faults: dict[str, int]
) -> None:
    marked = align_markup(annotated, TEXT)
    assert texts(TEXT, marked.sections) == sections
    assert marked.faults == faults
    assert set(faults) <= set(FAULTS)


def test_tag_like_text_of_the_author_survives() -> None:
    text = 'keys = ["a"] and ["end-section"]. Wait, ["deduction"] is text.'
    annotated = tags("deduction", 'keys = ["a"] and ["end-section"].') + tags(
        "backtracking", ' Wait, ["deduction"] is text.'
    )
    marked = align_markup(annotated, text)
    assert texts(text, marked.sections) == [
        ("deduction", 'keys = ["a"] and ["end-section"].'),
        ("backtracking", 'Wait, ["deduction"] is text.'),
    ]
    assert marked.faults == {"tag-like text": 3}


def test_tag_like_text_survives_where_words_differ_too() -> None:
    text = 'keys = ["a"] are good. Wait, no.'
    annotated = tags("deduction", 'keys = ["a"] are fine.') + tags("backtracking", "Wait, no.")
    marked = align_markup(annotated, text)
    assert texts(text, marked.sections) == [("deduction", 'keys = ["a"] are good.'), WAIT]


def test_neighbours_with_one_label_stay_apart() -> None:
    marked = align_markup(tags("b", "Wait.") + tags("b", "No."), "Wait. No.")
    assert marked.sections == (Section("b", 0, 5), Section("b", 6, 9))


def test_another_text_has_low_similarity() -> None:
    other = "Once upon a time there was a small cat which liked fish very much indeed."
    assert align_markup(tags("b", other), TEXT).similarity < 0.5
    near = TEXT.replace("see", "look")
    assert 0.8 < align_markup(tags("b", near), TEXT).similarity < 1.0
