"""Where a solution is cut, in letters and in tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from augury.errors import DataError
from augury.models.load import ModelConfig, load_tokenizer
from augury.rollouts.answers import judge_solution
from augury.rollouts.config import QuestionConfig
from augury.rollouts.cuts import cut_sentences, first_sentence
from augury.rollouts.questions import read_questions
from augury.traces.tokens import TokenisedTrace, tokenise
from augury.traces.trace import Origin, Trace


def trace_of(prompt: str, solution: str) -> Trace:
    return Trace("one", "one", prompt, solution, origin=Origin("test"))


def test_a_repeated_sentence_is_cut_at_its_own_place() -> None:
    prompt, solution = "Tom has 4 nuts.<think>\n", "We start. It is fine. So on. It is fine. End.\n"
    trace = trace_of(prompt, solution + "</think>\nAnswer: 4")
    tokenizer = load_tokenizer(ModelConfig(name="organism"))
    tokens = tokenise(trace, tokenizer)
    cut = cut_sentences(trace, tokens)
    words = [trace.text[each.start : each.end] for each in cut]
    assert words == ["We start.", "It is fine.", "So on.", "It is fine.", "End."]
    for n, each in enumerate(cut):
        assert each.index == n
        before = tokenizer.decode(tokens.ids[: each.token])
        assert before.removeprefix(tokenizer.bos_token) == trace.text[: each.prefix_end]
        assert before.endswith((prompt + " ".join(words[:n])).rstrip() if n else prompt)


def test_sentences_that_share_a_token_are_one() -> None:
    trace = trace_of("Q", "A b. C d. E f. G.")
    ends = np.array([1, 5, 12, 15, 18], dtype=np.int32)
    starts = np.array([0, 1, 5, 12, 15], dtype=np.int32)
    tokens = TokenisedTrace(
        "one",
        "one",
        ids=np.arange(5, dtype=np.int32),
        starts=starts,
        ends=ends,
        special=np.zeros(5, dtype=bool),
        role=np.zeros(5, dtype=np.uint8),
        first_row=1,
        bos=False,
    )
    cut = cut_sentences(trace, tokens)
    assert [trace.text[each.start : each.end] for each in cut] == ["A b.", "C d. E f.", "G."]
    assert [each.token for each in cut] == [1, 2, 4]


def test_a_solution_of_one_sentence_is_refused() -> None:
    trace = trace_of("Q: ", "It is 4.")
    tokens = tokenise(trace, load_tokenizer(ModelConfig(name="organism")))
    with pytest.raises(DataError, match="1 sentences; expected at least 2"):
        cut_sentences(trace, tokens)


@pytest.mark.parametrize(
    ("written", "first"),
    [
        (" We go on. And on.", "We go on."),
        ("\n2.5 is more. So.", "2.5 is more."),
        (" It ends\n</think>\nAnswer: 4", "It ends"),
        ("\n</think>\nAnswer: 4", "</think>\nAnswer: 4"),
        ("", ""),
    ],
)
def test_the_first_sentence_that_is_written(written: str, first: str) -> None:
    assert first_sentence(written) == first


@pytest.mark.parametrize(
    ("prompt", "solution", "finished", "state"),
    [
        ("Q<think>\n", "It is 5.\n</think>\nAnswer: 4", True, "right"),
        ("Q<think>\n", "The answer is 4.\n</think>\nAnswer: 5", True, "wrong"),
        ("Q<think>\n", "So the answer is 4", False, "truncated"),
        ("Q", "<think>So the answer is 4", False, "truncated"),
        ("Q", "So the answer is 4. Let", False, "right"),
        ("Q<think>\n", "It is 4.\n</think>\nThat is all.", True, "unparsed"),
    ],
)
def test_the_answer_is_read_behind_the_thoughts_and_never_in_them(
    prompt: str, solution: str, finished: bool, state: str
) -> None:
    found = judge_solution(prompt, solution, "4", finished=finished)
    assert found.state == state and bool(found.text) == (state in ("right", "wrong"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"id": 0, "problem": "p", "answer": "about five"}', r":2:answer: .*expected one number"),
        ('{"id": 1, "problem": "p"}', r":2:answer: absent"),
        ('{"id": 7, "problem": "p", "answer": "1"}', r":2:id: 7; expected a number of its own"),
        ('{"id": 1, "problem": "p", "answer": "1", "solution": " "}', r":2:solution: empty"),
    ],
)
def test_a_malformed_problem_is_named_by_file_row_and_field(
    tmp_path: Path, line: str, told: str
) -> None:
    path = tmp_path / "problems.jsonl"
    path.write_text('{"id": 7, "problem": "p", "answer": "1"}\n' + line + "\n")
    with pytest.raises(DataError, match=told):
        read_questions(QuestionConfig(source="jsonl", path=str(path)))
