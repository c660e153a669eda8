"""JSON lines of texts under any field names: one trace per line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from augury.errors import DataError
from augury.traces.records import read_json_lines, take, text_of
from augury.traces.table import check_unique_ids
from augury.traces.text import normalised_hash
from augury.traces.trace import FieldValue, Origin, Trace

__all__ = ["JsonlFields", "read_text_lines"]


@dataclass(frozen=True, slots=True)
class JsonlFields:
    """Which field of a line is what."""

    id: str = "id"
    """Text or whole number, unique in the file."""

    prompt: str = "prompt"
    """Text as the model read it; empty where the line has no such field."""

    completion: str = "completion"
    """The text that is studied."""

    group: str = "problem"
    """Lines with the same text here, but for case and white space, are one group."""

    keep: Sequence[str] = ()
    """Fields that are carried along: text, number, true, false or null."""


def read_text_lines(
    path: Path, names: JsonlFields | None = None, *, dataset: str = "jsonl", model: str = ""
) -> list[Trace]:
    """Read one trace per line.

    Args:
        path: The JSON-lines file.
        names: Which field is what.
        dataset: Name of the source, kept in `origin`.
        model: The model that wrote the completions; empty when a person did, or nobody knows.

    Raises:
        MissingInput: There is no such file.
        DataError: A line is malformed or an id stands twice; file, row and field are named.
    """
    names = names or JsonlFields()
    traces = [
        _trace(record, names, f"{path}:{row}", Origin(dataset, "", model))
        for row, record in read_json_lines(path)
    ]
    check_unique_ids(traces, str(path))
    return traces


def _trace(record: dict[str, object], names: JsonlFields, where: str, origin: Origin) -> Trace:
    number = record.get(names.id)
    if isinstance(number, int) and not isinstance(number, bool):
        record = {**record, names.id: str(number)}
    fields: dict[str, FieldValue] = {}
    for name in names.keep:
        value = record.get(name)
        if not (value is None or isinstance(value, str | int | float)):
            raise DataError(
                f"{where}:{name}", found=type(value).__name__, expected="text, a number, or null"
            )
        fields[name] = value
    prompt = take(record, names.prompt, str, where) if names.prompt in record else ""
    return Trace(
        id=text_of(record, names.id, where),
        group=normalised_hash(text_of(record, names.group, where)),
        prompt=prompt,
        completion=text_of(record, names.completion, where),
        fields=fields,
        origin=origin,
    )
