"""Traces on disk: Parquet for storage, JSON lines for exchange; both give back what was written."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import polars as pl

from augury.errors import DataError
from augury.runs.atomic import write_bytes
from augury.traces.records import read_json_lines, take
from augury.traces.sealed import read_sealed, write_sealed
from augury.traces.text import check_encodable
from augury.traces.trace import FieldValue, Origin, Span, Trace

__all__ = [
    "check_unique_ids",
    "read_jsonl",
    "read_trace_file",
    "read_traces",
    "write_jsonl",
    "write_traces",
]

_SPAN: dict[str, Any] = {
    "start": pl.Int64,
    "end": pl.Int64,
    "label": pl.String,
    "source": pl.String,
}
_SCHEMA: dict[str, Any] = {
    "id": pl.String,
    "group": pl.String,
    "prompt": pl.String,
    "completion": pl.String,
    "spans": pl.List(pl.Struct(_SPAN)),
    "fields": pl.String,
    "dataset": pl.String,
    "revision": pl.String,
    "model": pl.String,
}
_KEYS = ("id", "group", "prompt", "completion", "spans", "fields", "origin")


def check_unique_ids(traces: Iterable[Trace], where: str = "traces") -> None:
    """Refuse collections in which an id stands twice.

    Raises:
        DataError: Names the id and both rows (from 1).
    """
    seen: dict[str, int] = {}
    for row, trace in enumerate(traces, start=1):
        if trace.id in seen:
            raise DataError(
                f"{where}:{row}:id",
                found=f"{trace.id!r}, which row {seen[trace.id]} has too",
                expected="ids that occur once",
                fix="remove one of the rows, or give it its own id",
            )
        seen[trace.id] = row


def write_traces(path: Path, traces: Sequence[Trace]) -> None:
    """Store traces as Parquet, atomically; `read_traces` returns them equal.

    Raises:
        DataError: Two ids are equal, a field is not finite, or a text has no UTF-8 form.
    """
    check_unique_ids(traces, str(path))
    rows = [_to_row(trace, f"{path}:{row}") for row, trace in enumerate(traces, start=1)]
    write_sealed(path, pl.DataFrame(rows, schema=_SCHEMA))


def read_traces(path: Path) -> list[Trace]:
    """Traces of a Parquet file that `write_traces` wrote, in their order.

    Raises:
        MissingInput: There is no such file.
        DataError: It is not such a file, or a row is malformed.
        StorageError: It is damaged; nothing of it is given out.
    """
    frame = read_sealed(path, what="traces")
    if dict(frame.schema) != _SCHEMA:
        raise DataError(
            str(path),
            found=f"columns {dict(frame.schema)}",
            expected=f"columns {_SCHEMA}",
            fix="write it with write_traces, or read it with a source",
        )
    rows = enumerate(frame.iter_rows(named=True), start=1)
    traces = [_from_row(record, f"{path}:{row}") for row, record in rows]
    check_unique_ids(traces, str(path))
    return traces


def read_trace_file(path: Path) -> list[Trace]:
    """Traces of a file: JSON lines if its name ends in `.jsonl`, else Parquet; raises as both."""
    return read_jsonl(path) if path.suffix == ".jsonl" else read_traces(path)


def write_jsonl(path: Path, traces: Sequence[Trace]) -> None:
    """Write one JSON object per line, atomically; `read_jsonl` returns them equal.

    Raises:
        DataError: As `write_traces`.
    """
    check_unique_ids(traces, str(path))
    lines = []
    for row, trace in enumerate(traces, start=1):
        record = _to_row(trace, f"{path}:{row}")
        origin = {key: record.pop(key) for key in ("dataset", "revision", "model")}
        record["fields"] = trace.fields
        lines.append(json.dumps({**record, "origin": origin}, ensure_ascii=False))
    write_bytes(path, "".join(line + "\n" for line in lines).encode("utf-8"))


def read_jsonl(path: Path) -> list[Trace]:
    """Traces of a JSON-lines file, in their order.

    Each line has `id`, `group`, `completion`, and optionally `prompt`, `spans`, `fields`, `origin`.

    Raises:
        MissingInput: There is no such file.
        DataError: A line is malformed; file, row, field, found and expected are named.
    """
    traces = []
    for row, record in read_json_lines(path):
        where = f"{path}:{row}"
        unknown = [key for key in record if key not in _KEYS]
        if unknown:
            raise DataError(
                f"{where}:{unknown[0]}",
                found="an unknown field",
                expected=f"only {', '.join(_KEYS)}",
                fix="move it into 'fields'",
            )
        record = {"prompt": "", "spans": [], "fields": {}, "origin": {}, **record}
        origin = take(record, "origin", dict, where)
        flat = {"dataset": "unknown", "revision": "", "model": "", **origin, **record}
        traces.append(_from_row(flat, where))
    check_unique_ids(traces, str(path))
    return traces


def _to_row(trace: Trace, where: str) -> dict[str, Any]:
    for name, value in trace.fields.items():
        check_encodable(name, f"{where}:fields")
        _check_field(value, f"{where}:fields.{name}")
    spans = [
        {"start": one.start, "end": one.end, "label": one.label, "source": one.source}
        for one in trace.spans
    ]
    origin = trace.origin
    record: dict[str, Any] = {
        "id": trace.id,
        "group": trace.group,
        "prompt": trace.prompt,
        "completion": trace.completion,
        "spans": spans,
        "fields": json.dumps(trace.fields),
        "dataset": origin.dataset,
        "revision": origin.revision,
        "model": origin.model,
    }
    for name, value in [
        *record.items(),
        *((f"spans.{k}", s["label"]) for k, s in enumerate(spans)),
    ]:
        if isinstance(value, str):
            check_encodable(value, f"{where}:{name}")
    return record


def _from_row(record: Mapping[str, object], where: str) -> Trace:
    spans = []
    for number, one in enumerate(take(record, "spans", list, where)):
        place = f"{where}:spans.{number}"
        if not isinstance(one, dict):
            raise DataError(place, found=type(one).__name__, expected="an object")
        source = take({"source": "", **one}, "source", str, place)
        start, end = (take(one, key, int, place) for key in ("start", "end"))
        spans.append(Span(start, end, take(one, "label", str, place), source))
    texts = {key: take(record, key, str, where) for key in ("id", "group", "prompt", "completion")}
    origin = Origin(*(take(record, key, str, where) for key in ("dataset", "revision", "model")))
    try:
        return Trace(**texts, spans=tuple(spans), fields=_fields(record, where), origin=origin)
    except DataError as error:
        place = f"{where}:{error.where}"
        raise DataError(place, found=error.found, expected=error.expected, fix=error.fix) from error


def _fields(record: Mapping[str, object], where: str) -> dict[str, FieldValue]:
    stored = record["fields"]
    if isinstance(stored, str):
        try:
            stored = json.loads(stored)
        except ValueError as error:
            raise DataError(
                f"{where}:fields", found=str(error), expected="a JSON object"
            ) from error
    values = take({"fields": stored}, "fields", dict, where)
    for name, value in values.items():
        _check_field(value, f"{where}:fields.{name}")
    return cast("dict[str, FieldValue]", values)


def _check_field(value: object, where: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise DataError(where, found=str(value), expected="a finite number, or null")
    if isinstance(value, str):
        check_encodable(value, where)
    elif value is not None and not isinstance(value, int | float):
        raise DataError(
            where, found=type(value).__name__, expected="text, a number, true, false or null"
        )
