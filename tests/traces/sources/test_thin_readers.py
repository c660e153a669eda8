"""Readers of JSON lines, GSM8K and books, on the real files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from augury.errors import DataError, MissingInput, UsageError
from augury.traces.sources.gsm8k import read_gsm8k
from augury.traces.sources.jsonl import JsonlFields, read_text_lines
from augury.traces.sources.plain_text import read_plain_text
from augury.traces.trace import Trace

NAMES = JsonlFields(completion="response", keep=("topic", "finished", "gt_answer"))


def lines(folder: Path, *records: dict[str, object]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_real_traces_are_read_under_their_own_field_names(augury_data: Path) -> None:
    path = augury_data / "reasoning_traces" / "traces.jsonl"
    traces = read_text_lines(path, NAMES, dataset="reasoning_traces", model="r1")
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [t.text for t in traces] == [r["prompt"] + r["response"] for r in records]
    assert [t.fields["finished"] for t in traces] == [r["finished"] for r in records]
    assert traces[0].origin.model == "r1"
    problems = {" ".join(r["problem"].casefold().split()) for r in records}
    assert len({t.group for t in traces}) == len(problems)


def test_whole_numbers_may_be_ids_and_absent_prompts_are_empty(tmp_path: Path) -> None:
    path = lines(tmp_path, {"id": 7, "problem": "p", "completion": "c"})
    (trace,) = read_text_lines(path)
    assert (trace.id, trace.prompt, trace.completion) == ("7", "", "c")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"id": 7, "problem": "p", "completion": "c"}, r":2:id: '7', which row 1 has too"),
        ({"id": 8, "problem": "p", "completion": " "}, r":2:completion: empty"),
        ({"id": 8, "completion": "c"}, r":2:problem: absent \(fields: id, completion\)"),
        ({"id": True, "problem": "p", "completion": "c"}, r":2:id: bool True"),
        ({"id": 8, "problem": "p", "completion": "c", "topic": [1]}, r":2:topic: list"),
    ],
)
def test_malformed_lines_are_named(tmp_path: Path, record: dict[str, object], message: str) -> None:
    first: dict[str, object] = {"id": 7, "problem": "p", "completion": "c"}
    with pytest.raises(DataError, match=message):
        read_text_lines(lines(tmp_path, first, record), JsonlFields(keep=("topic",)))


def test_gsm8k_keeps_the_solution_and_finds_the_result(augury_data: Path) -> None:
    traces = read_gsm8k(augury_data / "gsm8k" / "test.jsonl")
    assert len(traces) == 1319 and len({t.group for t in traces}) == 1319
    assert traces[0].fields["gold_answer"] == "18" and "<<16-3-4=9>>" in traces[0].completion
    for trace in traces:
        assert float(str(trace.fields["gold_answer"])) is not None
        (literal,) = trace.spans
        assert trace.text[literal.start : literal.end] == trace.fields["problem"]


def test_gsm8k_drops_thousands_commas_and_refuses_a_missing_result(tmp_path: Path) -> None:
    path = lines(tmp_path, {"question": "q", "answer": "so\n#### 1,234"})
    assert read_gsm8k(path)[0].fields["gold_answer"] == "1234"
    with pytest.raises(DataError, match=r"rows\.jsonl:1:answer.*####"):
        read_gsm8k(lines(tmp_path, {"question": "q", "answer": "so 3"}))


def lies_in(text: str, trace: Trace) -> bool:
    return text.startswith(trace.completion, int(str(trace.fields["offset"])))


@pytest.mark.parametrize("passage", [None, 700])
def test_a_real_book_is_cut_without_loss_and_stays_one_group(
    augury_data: Path, passage: int | None
) -> None:
    path = augury_data / "english_text" / "shakespeare-hamlet.txt"
    text = path.read_text(encoding="utf-8-sig")
    traces = read_plain_text(path, passage=passage)
    assert "".join("".join(t.completion.split()) for t in traces) == "".join(text.split())
    assert {t.group for t in traces} == {path.name} and len({t.id for t in traces}) == len(traces)
    assert all(lies_in(text, trace) for trace in traces)
    if passage:
        assert max(len(t.completion) for t in traces) <= passage


@given(text=st.text(st.sampled_from("ab \n🙂"), min_size=1).filter(str.strip))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_passages_lose_no_character_and_cut_no_word(tmp_path: Path, text: str) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(text.encode())
    traces = read_plain_text(path, passage=20)
    assert [w for t in traces for w in t.completion.split()] == text.split()
    assert all(lies_in(text, trace) for trace in traces)


def test_books_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(b"ok \xff")
    with pytest.raises(DataError, match="byte 3 is not UTF-8"):
        read_plain_text(path)
    path.write_bytes(b" \n")
    with pytest.raises(DataError, match="white space"):
        read_plain_text(path)
    with pytest.raises(UsageError, match="20 code points"):
        read_plain_text(path, passage=3)
    with pytest.raises(MissingInput):
        read_plain_text(tmp_path / "none.txt")
