"""Traces on disk come back equal, or the fault is named."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from augury.errors import DataError, MissingInput
from augury.traces.sealed import write_sealed
from augury.traces.table import (
    check_unique_ids,
    read_jsonl,
    read_traces,
    write_jsonl,
    write_traces,
)
from augury.traces.trace import FieldValue, Origin, Span, Trace

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
VALUE = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
FIELDS = st.dictionaries(TEXT, VALUE | TEXT, max_size=4)


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
@given(prompt=TEXT, completion=TEXT, fields=FIELDS, label=TEXT, name=TEXT)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_traces_survive_the_disk(
    tmp_path: Path,
    kind: str,
    prompt: str,
    completion: str,
    fields: dict[str, FieldValue],
    label: str,
    name: str,
) -> None:
    spans = (Span(0, 1, label, name),) if prompt + completion else ()
    odd = Trace(name, label, prompt, completion, spans, fields, Origin(name, label, completion))
    fixed = Trace(name + "2", "g", "a\r\n\n", "\x00🙂\u2028", (Span(0, 2, "b", ""),) * 2)
    write, read = (write_traces, read_traces) if kind == "parquet" else (write_jsonl, read_jsonl)
    write(tmp_path / "t", [odd, fixed])
    back = read(tmp_path / "t")
    assert back == [odd, fixed]
    assert [type(v) for v in back[0].fields.values()] == [type(v) for v in fields.values()]


def test_no_traces_are_an_empty_table(tmp_path: Path) -> None:
    write_traces(tmp_path / "t", [])
    assert read_traces(tmp_path / "t") == []


def test_duplicate_ids_are_refused_naming_both_rows(tmp_path: Path) -> None:
    traces = [Trace(name, "g", "", "x") for name in ("a", "b", "a")]
    with pytest.raises(DataError, match=r":3:id: 'a', which row 1 has too"):
        check_unique_ids(traces)
    for write in (write_traces, write_jsonl):
        with pytest.raises(DataError, match="row 1"):
            write(tmp_path / "t", traces)
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1], "\ud800"])
def test_field_values_without_a_stored_form_are_refused(tmp_path: Path, value: object) -> None:
    trace = Trace("a", "g", "", "x", fields={"f": value})  # type: ignore[dict-item]
    with pytest.raises(DataError, match=r":1:fields\.f"):
        write_traces(tmp_path / "t", [trace])


def test_lone_surrogates_are_refused_by_field(tmp_path: Path) -> None:
    for trace in (
        Trace("a", "g", "", "x\ud800"),
        Trace("a", "g", "x", "", (Span(0, 1, "\udc00"),)),
    ):
        with pytest.raises(DataError, match="lone surrogate"):
            write_traces(tmp_path / "t", [trace])


GOOD = {"id": "a", "group": "g", "completion": "text"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({**GOOD, "completion": 3}, r"t\.jsonl:2:completion: int 3; expected text"),
        ({"id": "a", "completion": "x"}, r"t\.jsonl:2:group: absent"),
        ({**GOOD, "spans": [{"start": 0, "end": 9, "label": "b"}]}, r":2:trace 'a': span 0"),
        ({**GOOD, "spans": [{"start": 0.0, "end": 1, "label": "b"}]}, r":2:spans\.0:start"),
        ({**GOOD, "spans": [3]}, r":2:spans\.0: int"),
        ({**GOOD, "fields": {"f": [1]}}, r":2:fields\.f: list"),
        ({**GOOD, "origin": {"dataset": None}}, r":2:dataset: NoneType"),
        ({**GOOD, "completionn": "x"}, r":2:completionn: an unknown field"),
        ([1], r":2: list; expected one JSON object"),
    ],
)
def test_malformed_lines_name_file_row_and_field(
    tmp_path: Path, line: object, message: str
) -> None:
    first = {**GOOD, "id": "z"}
    (tmp_path / "t.jsonl").write_text(json.dumps(first) + "\n" + json.dumps(line) + "\n")
    with pytest.raises(DataError, match=message) as caught:
        read_jsonl(tmp_path / "t.jsonl")
    assert caught.value.code == 65


@pytest.mark.parametrize("raw", [b"{", b"\xff\xfe{}", b"[" * 200_000])
def test_lines_that_are_not_json_are_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "t.jsonl").write_bytes(raw)
    with pytest.raises(DataError, match=r"t\.jsonl:1"):
        read_jsonl(tmp_path / "t.jsonl")


def test_files_that_are_absent_or_of_another_kind_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"none\.parquet: no such file"):
        read_traces(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="no checksum"):
        read_traces(tmp_path / "bad.parquet")


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    write_sealed(tmp_path / "x.parquet", pl.DataFrame({"id": ["a"]}))
    with pytest.raises(DataError, match="columns"):
        read_traces(tmp_path / "x.parquet")
