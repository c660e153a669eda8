"""Multiple-choice questions: five layouts of files, one record.

| layout       | file                                                                             |
|--------------|----------------------------------------------------------------------------------|
| `letters`    | JSON lines `{question_id, question, options: {A: ...}, correct_answer_letter}`   |
| `simple-mc`  | JSON lines `{qid, question, correct_answer, distractors}` (SimpleMC, TriviaMC)   |
| `arc`        | JSON lines `{id, question, choices: {text, label}, answerKey}`, or the first     |
|              | release's `{id, question: {stem, choices: [{text, label}]}, answerKey}`          |
| `mmlu`       | CSV without a header: question, A, B, C, D, letter; or JSON lines                |
|              | `{question, choices, answer}` with the answer counted from 0                     |
| `truthfulqa` | CSV with `Question`, `Best Answer`, `Incorrect Answers` (joined by `;`); or JSON |
|              | lines `{question, mc1_targets: {choices, labels}}`                               |
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from augury.errors import DataError, UsageError
from augury.traces.records import read_bytes, read_json_lines, take, text_of

__all__ = ["LAYOUTS", "Layout", "MultipleChoice", "read_multiple_choice"]

Layout = Literal["letters", "simple-mc", "arc", "mmlu", "truthfulqa"]
LAYOUTS: tuple[str, ...] = get_args(Layout)

Record = Mapping[str, object]
Found = tuple[str, str, tuple[str, ...], int]


@dataclass(frozen=True, slots=True)
class MultipleChoice:
    """A question with its options, in the order of its file."""

    id: str
    """Unique in its file, the same at every reading."""

    question: str

    options: tuple[str, ...]
    """The file's own order. As the file has them: some may be empty, or stand twice."""

    correct: int
    """Index of the right one in `options`, from 0."""


def read_multiple_choice(path: Path, layout: Layout) -> list[MultipleChoice]:
    """Read every question of a file.

    A row without an id of its own is called after its content, so the same row has the same id in
    every file and at every reading; a second copy gets `-2`.

    Raises:
        MissingInput: There is no such file.
        DataError: A row is malformed, has no right option, or an id stands twice; file, row and
            field are named.
        UsageError: No such layout.
    """
    if layout not in LAYOUTS:
        raise UsageError("layout", found=repr(layout), expected=", ".join(LAYOUTS))
    read = _TABLES.get((layout, path.suffix.lower()))
    rows = read(path) if read else _json_rows(path, _RECORDS[layout])
    questions: list[MultipleChoice] = []
    seen: dict[str, int] = {}
    for row, (name, question, options, correct) in rows:
        one = MultipleChoice(
            name or _name_of(question, options, correct), question, options, correct
        )
        if one.id in seen:
            if name:
                raise DataError(
                    f"{path}:{row}:id",
                    found=f"{name!r}, which row {seen[name]} has too",
                    expected="ids that occur once",
                )
            seen[one.id] += 1
            one = replace(one, id=f"{one.id}-{seen[one.id]}")
        else:
            seen[one.id] = row if name else 1
        questions.append(one)
    if not questions:
        raise DataError(str(path), found="no question", expected="at least one")
    return questions


def _json_rows(path: Path, of: Callable[[Record, str], Found]) -> Iterator[tuple[int, Found]]:
    for row, record in read_json_lines(path):
        yield row, of(record, f"{path}:{row}")


def _letters(record: Record, where: str) -> Found:
    options = take(record, "options", dict, where)
    texts = tuple(text_of(options, letter, f"{where}:options", empty=True) for letter in options)
    letter = text_of(record, "correct_answer_letter", where)
    correct = _index(list(options), letter, f"{where}:correct_answer_letter")
    return _id(record, "question_id", where), text_of(record, "question", where), texts, correct


def _simple_mc(record: Record, where: str) -> Found:
    wrong = _texts(record, "distractors", where)
    right = text_of(record, "correct_answer", where)
    return _id(record, "qid", where), text_of(record, "question", where), (right, *wrong), 0


def _arc(record: Record, where: str) -> Found:
    if isinstance(record.get("question"), dict):
        inner = take(record, "question", dict, where)
        question = text_of(inner, "stem", f"{where}:question")
        choices = take(inner, "choices", list, f"{where}:question")
        pairs = [
            (text_of(choice, "label", place), text_of(choice, "text", place))
            for number, choice in enumerate(choices)
            for place in [f"{where}:question.choices[{number}]"]
        ]
    else:
        question = text_of(record, "question", where)
        both = take(record, "choices", dict, where)
        columns = [_texts(both, key, f"{where}:choices") for key in ("label", "text")]
        if len(columns[0]) != len(columns[1]):
            raise DataError(
                f"{where}:choices",
                found=f"{len(columns[0])} labels, {len(columns[1])} texts",
                expected="as many",
            )
        pairs = list(zip(*columns, strict=True))
    key = text_of(record, "answerKey", where)
    correct = _index([label for label, _ in pairs], key, f"{where}:answerKey")
    return _id(record, "id", where), question, tuple(text for _, text in pairs), correct


def _mmlu(record: Record, where: str) -> Found:
    options = _texts(record, "choices", where)
    answer = take(record, "answer", int, where)
    if not 0 <= answer < len(options):
        raise DataError(f"{where}:answer", found=str(answer), expected=f"0 to {len(options) - 1}")
    return "", text_of(record, "question", where), options, answer


def _truthfulqa(record: Record, where: str) -> Found:
    targets = take(record, "mc1_targets", dict, where)
    if "choices" in targets:
        options = _texts(targets, "choices", f"{where}:mc1_targets")
        labels = take(targets, "labels", list, f"{where}:mc1_targets")
    else:
        options, labels = tuple(targets), list(targets.values())
    if len(labels) != len(options) or labels.count(1) != 1:
        raise DataError(
            f"{where}:mc1_targets",
            found=f"{len(options)} options, {labels.count(1)} of them right",
            expected="one label for each, one of them 1",
        )
    return "", text_of(record, "question", where), options, labels.index(1)


def _mmlu_table(path: Path) -> Iterator[tuple[int, Found]]:
    for row, cells in enumerate(_csv(path), start=1):
        if len(cells) != 6:
            raise DataError(
                f"{path}:{row}",
                found=f"{len(cells)} columns",
                expected="question, four options, letter",
            )
        question, *options, letter = cells
        _filled(question, f"{path}:{row}:question")
        yield row, ("", question, tuple(options), _index("ABCD", letter, f"{path}:{row}:letter"))


def _truthfulqa_table(path: Path) -> Iterator[tuple[int, Found]]:
    lines = _csv(path)
    header = next(lines, [])
    for row, cells in enumerate(lines, start=2):
        record = dict(zip(header, cells, strict=False))
        where = f"{path}:{row}"
        right = text_of(record, "Best Answer", where).strip()
        wrong = [one.strip() for one in text_of(record, "Incorrect Answers", where).split(";")]
        yield row, ("", text_of(record, "Question", where), (right, *filter(None, wrong)), 0)


def _csv(path: Path) -> Iterator[list[str]]:
    data = read_bytes(path, what="a CSV file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(str(path), found=str(error), expected="UTF-8") from error
    yield from csv.reader(io.StringIO(text, newline=""), strict=True)


def _texts(record: Record, key: str, where: str) -> tuple[str, ...]:
    values = take(record, key, list, where)
    return tuple(
        text_of({key: value}, key, f"{where}:{key}[{number}]", empty=True)
        for number, value in enumerate(values)
    )


def _id(record: Record, key: str, where: str) -> str:
    """The row's own id as text; empty where it has none."""
    value = record.get(key)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return "" if value is None else str(value)
    return text_of(record, key, where)


def _index(labels: list[str] | str, label: str, where: str) -> int:
    names = [name.strip() for name in labels]
    if names.count(label.strip()) != 1:
        raise DataError(where, found=repr(label), expected=f"one of {', '.join(names)}")
    return names.index(label.strip())


def _filled(text: str, where: str) -> None:
    text_of({"cell": text}, "cell", where)


def _name_of(question: str, options: tuple[str, ...], correct: int) -> str:
    content = "\0".join((question, *options, str(correct)))
    return hashlib.blake2b(content.encode("utf-8", "replace"), digest_size=8).hexdigest()


_RECORDS: dict[str, Callable[[Record, str], Found]] = {
    "letters": _letters,
    "simple-mc": _simple_mc,
    "arc": _arc,
    "mmlu": _mmlu,
    "truthfulqa": _truthfulqa,
}
_TABLES: dict[tuple[str, str], Callable[[Path], Iterator[tuple[int, Found]]]] = {
    ("mmlu", ".csv"): _mmlu_table,
    ("truthfulqa", ".csv"): _truthfulqa_table,
}
