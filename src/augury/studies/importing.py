"""Import states that another program captured, with the texts and tokens that they are of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from augury.activations.capture import read_capture
from augury.activations.import_store import import_store
from augury.errors import DataError, UsageError
from augury.models.load import ModelConfig, load_tokenizer
from augury.runs.progress import say
from augury.traces.align import place_spans
from augury.traces.table import read_trace_file, write_traces
from augury.traces.tokenizer import Tokenizer
from augury.traces.tokens import (
    TokenisedTrace,
    read_given_ids,
    read_tokenised,
    tokenise_as,
    write_tokenised,
)
from augury.traces.trace import Trace

__all__ = ["import_capture"]


def import_capture(
    sources: Sequence[Path],
    folder: Path,
    *,
    traces: Path,
    tokens: Path | None = None,
    model: str | None = None,
) -> Sequence[str]:
    """Write traces, tokens and a store into `folder`, as a reading would; lines that say so.

    Args:
        sources: One folder of the layout that `augury.activations.capture` tells, or files of it.
        folder: Created, continued, or reused if finished.
        traces: Parquet or JSONL file of the texts; those that were not captured are left out.
        tokens: Table of ids, one row per trace; `tokens.parquet` beside the files if not given.
        model: Whose tokenizer made the ids. Needed where the table has nothing but ids; else, if
            given, every annotated span is decoded back.

    Raises:
        MissingInput: A file is not there.
        DataError: The files do not follow the layout, or do not belong together.
        ConfigError: Another store is there.
    """
    capture = read_capture(sources)
    texts = {trace.id: trace for trace in read_trace_file(traces)}
    tokenizer = None if model is None else load_tokenizer(ModelConfig(name=model))
    table = tokens or capture.folder / "tokens.parquet"
    parts = _parts(table, texts, tokenizer, where=str(traces))
    for part in parts:
        place_spans(texts[part.trace_id], part, tokenizer)
    store = import_store(capture, parts, folder / "store")
    captured = {part.trace_id for part in parts}
    write_traces(folder / "traces.parquet", [t for t in texts.values() if t.id in captured])
    write_tokenised(folder / "tokens.parquet", parts)
    left_out = len(texts) - len(captured)
    return [
        f"{store.n_rows} rows of {len(store.sites)} sites in {store.path}",
        *([f"{left_out} traces of {traces} were not captured"] if left_out else []),
    ]


def _parts(
    table: Path, texts: Mapping[str, Trace], tokenizer: Tokenizer | None, *, where: str
) -> list[TokenisedTrace]:
    given = read_given_ids(table)
    parts = read_tokenised(table) if given is None else []
    names = [part.trace_id for part in parts] if given is None else [name for name, _ in given]
    for row, name in enumerate(names, start=1):
        if name not in texts:
            raise DataError(
                f"{table}:{row}: trace_id", found=repr(name), expected=f"a trace of {where}"
            )
    if given is None:
        for part in parts:
            _check_ends(part, texts[part.trace_id], table)
        return parts
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(
            str(table), found=f"trace {twice!r} twice", expected="one row per trace, read whole"
        )
    if tokenizer is None:
        raise UsageError(
            str(table),
            found="ids without their places in the text",
            expected="the tokenizer that made them",
            fix="name its model with --model",
        )
    parts = [tokenise_as(texts[name], ids.tolist(), tokenizer) for name, ids in given]
    cut = sum(int(part.ends[-1]) < len(texts[part.trace_id].text) for part in parts)
    if cut:
        say(f"{cut} of {len(parts)} traces end before their text does")
    return parts


def _check_ends(part: TokenisedTrace, trace: Trace, table: Path) -> None:
    if int(part.ends.max()) > len(trace.text):
        raise DataError(
            f"{table}: trace {trace.id!r}",
            found=f"tokens up to character {part.ends.max()}",
            expected=f"tokens of a text of {len(trace.text)} characters",
            fix="name the texts that were tokenised",
        )
