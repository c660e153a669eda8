from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from augury.errors import DataError
from augury.models.load import ModelConfig, load_tokenizer
from augury.targets.onsets import onsets_of, opening_tokens, target_ids
from augury.targets.triggers import TRIGGER, Triggers, with_triggers
from augury.traces.tokens import tokenise
from augury.traces.trace import Trace


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer(ModelConfig(name="organism"))


TEXT = "<think>\n5 + 3 = 9. Wait, is that right?\nHold on, 5 + 3 = 8 wait, let me check that."


def test_every_onset_is_the_token_that_stands_there(tokenizer: Any) -> None:
    trace = with_triggers(Trace("a", "g", "Wait? ", TEXT), Triggers())
    read = tokenise(trace, tokenizer)
    found = onsets_of(trace, read, tokenizer, TRIGGER)
    assert [one.token_text for one in found] == [" Wait", "Hold"]
    for one in found:
        assert read.ids[one.token] == one.token_id and one.deciding == one.token - 1
        assert one.in_completion == one.token - read.first_row
        word = trace.text[one.start :].split()[0].strip(",")
        assert one.token_text.strip() == word
    assert [one.opens_sentence for one in found] == [True, True]


def test_an_event_inside_a_sentence_does_not_open_one(tokenizer: Any) -> None:
    trace = with_triggers(Trace("a", "g", "", "5 + 3 = 8 wait, let me check."), Triggers())
    (found,) = onsets_of(trace, tokenise(trace, tokenizer), tokenizer, TRIGGER)
    assert found.token_text == " wait" and not found.opens_sentence


def test_one_token_opens_each_sentence(tokenizer: Any) -> None:
    trace = Trace("a", "g", "Q. Q.", "We are at 5 now. So it is 5.\nYes.")
    read = tokenise(trace, tokenizer)
    opening = opening_tokens(trace, read)
    told = [tokenizer.decode([i]).strip() for i in read.ids[opening]]
    assert told == ["We", "So", "Yes"]
    assert not np.flatnonzero(opening)[0] < read.first_row


def test_the_target_set_holds_real_onsets_and_whole_words(tokenizer: Any) -> None:
    trace = with_triggers(Trace("a", "g", "", TEXT), Triggers())
    onsets = onsets_of(trace, tokenise(trace, tokenizer), tokenizer, TRIGGER)
    found = target_ids(onsets, tokenizer, ["Wait", "Hold on"])
    words = {text.strip().lower() for text in found.values()}
    # `hold` without a space is `h` and `old` here: a piece that begins other words too.
    assert words == {"wait", "hold"} and {one.token_id for one in onsets} <= set(found)
    with pytest.raises(DataError, match="no onset"):
        target_ids([], tokenizer)
