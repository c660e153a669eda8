"""Offsets from ids alone, against the tokenizer's own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_builders import byte_level, word_level

from augury.errors import DataError
from augury.traces.offsets import offsets_of_ids

BPE = byte_level()


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_byte_level_offsets_are_those_of_the_tokenizer(text: str) -> None:
    answer = BPE(text, return_offsets_mapping=True)
    starts, ends = offsets_of_ids(BPE, answer["input_ids"], text)
    assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == answer["offset_mapping"]


@pytest.mark.parametrize("text", ["Once upon a 🙂 time", "the\n\nend é", " two  spaces"])
def test_sentencepiece_offsets_are_those_of_the_tokenizer(stories: Any, text: str) -> None:
    answer = stories(text, add_special_tokens=False, return_offsets_mapping=True)
    starts, ends = offsets_of_ids(stories, answer["input_ids"], text)
    assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == answer["offset_mapping"]


def test_ids_that_were_never_encoded_this_way_are_placed_by_their_bytes(stories: Any) -> None:
    ids = stories.convert_tokens_to_ids(["▁", "t", "h", "e", "▁c", "<0xC3>", "<0xA9>"])
    starts, ends = offsets_of_ids(stories, ids, stories.decode(ids))
    assert stories.decode(ids) == "the cé"
    assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == [
        (0, 1),
        (0, 1),
        (1, 2),
        (2, 3),
        (3, 5),
        (5, 6),
        (5, 6),
    ]


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_a_text_that_stops_inside_a_character_is_placed(kept: int) -> None:
    ids = [*BPE("x 🙂")["input_ids"][: 2 + kept]]
    text = BPE.decode(ids)
    assert text.endswith("\ufffd")
    starts, ends = offsets_of_ids(BPE, ids, text)
    assert starts.tolist() == [0, 1] + [2] * kept and ends.tolist() == [1, 2] + [3] * kept


def test_broken_bytes_of_sentencepiece_are_one_character_each(stories: Any) -> None:
    ids = stories.convert_tokens_to_ids(["▁a", "<0xF0>", "<0x9F>", "b"])
    text = stories.decode(ids)
    starts, ends = offsets_of_ids(stories, ids, text)
    assert [text[s:e] for s, e in zip(starts, ends, strict=True)] == ["a", "\ufffd", "\ufffd", "b"]


def test_whole_words_are_found_in_order() -> None:
    words = word_level(["so", "it", "is"])
    starts, ends = offsets_of_ids(words, words("it is it")["input_ids"], "it  is\nit")
    assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == [(0, 2), (4, 6), (7, 9)]


def test_ids_of_another_text_are_refused() -> None:
    ids = BPE("Wait")["input_ids"]
    for other in ("Wait!", "wait", "Wai", ""):
        with pytest.raises(DataError, match="do not decode"):
            offsets_of_ids(BPE, ids, other)
