from __future__ import annotations

import pytest

from augury.evaluate.detection import joined, score_detector
from augury.targets.triggers import Triggers, find_triggers, with_triggers
from augury.traces.trace import Span, Trace

WORDS = Triggers()


def _found(text: str, prompt: str = "") -> list[tuple[str, bool]]:
    return [(one.phrase, one.strict) for one in find_triggers(text, WORDS, prompt=prompt)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("So 8. Wait, that is wrong.", [("Wait", True)]),
        ("So 8. wait that is wrong.", [("wait", True)]),
        ("But wait, it is 9.", [("wait", True)]),
        ("Hmm, no, actually it is 9.", [("actually", True)]),
        ("3 + 5 = 8 wait, let me look.", [("wait", True)]),
        ("3 + 5 = 9, no, wait, let me redo that.", [("wait", True)]),
        ("Hold\non, is that right?", [("Hold\non", True)]),
        ("HOLD ON", [("HOLD ON", True)]),
        ("I said 4 - hold on - it is 5.", [("hold on", True)]),
        # Verbs, adverbs and other words.
        ("They wait for the bus.", [("wait", False)]),
        ("Wait for it to boil.", [("Wait", False)]),
        ("Wait until noon.", [("Wait", False)]),
        ("What is actually asked here?", [("actually", False)]),
        ("He is awaiting the waiter on the wait-list.", []),
        ("Waiting times", []),
        ("I must have made a mistake.", [("mistake", False)]),
        # One event per sentence; a strict one is preferred.
        ("Let me check: wait, no.", [("wait", True)]),
        ("Wait, wait, hold on.", [("Wait", True)]),
        (
            "Wait, no. Actually, yes. Hold on.",
            [("Wait", True), ("Actually", True), ("Hold on", True)],
        ),
        ("", []),
    ],
)
def test_phrases_count_by_case_word_border_and_place(
    text: str, found: list[tuple[str, bool]]
) -> None:
    assert _found(text) == found


def test_words_of_the_prompt_do_not_count_when_they_are_quoted() -> None:
    prompt = 'A sign says "Wait here". Tom said: wait a moment before you go on. How long?'
    assert _found('The sign says "Wait here".', prompt) == []
    assert _found("The sign says “wait here”, so he stops.", prompt) == []
    assert _found("Tom said: wait a moment before he left.", prompt) == []
    assert _found('The sign says "Wait here". Wait, how long?', prompt) == [("Wait", True)]
    assert _found('He shouts "Wait there"!', prompt) == [("Wait", True)]


def test_every_event_becomes_a_span_of_the_whole_text() -> None:
    trace = Trace("a", "g", "Q: wait?\n", "No. Wait, yes. They wait for it.", (Span(0, 2, "x"),))
    found = with_triggers(with_triggers(trace, WORDS), WORDS)
    told = [(found.text[s.start : s.end], s.label, s.source) for s in found.spans]
    assert told == [
        ("Q:", "x", ""),
        ("Wait", "trigger", "detector:strict"),
        ("wait", "trigger", "detector:relaxed"),
    ]


def test_precision_and_recall_count_events_and_not_texts() -> None:
    text = "aaaa bbbb  cccc dddd eeee"
    true = joined([(11, 15), (5, 9), (21, 25)], text)
    assert true == [(5, 15), (21, 25)]
    found = [(0, 1), (6, 7), (12, 13)]
    score = score_detector([found, []], [true, [(0, 4)]], ["a", "b"])
    assert (score.found, score.right, score.true, score.hit) == (3, 2, 3, 1)
    assert score.precision == pytest.approx(2 / 3) and score.recall == pytest.approx(1 / 3)
    assert score.precision_interval is None
    nothing = score_detector([[]], [[]], ["a"])
    assert nothing.precision is None and nothing.recall is None
