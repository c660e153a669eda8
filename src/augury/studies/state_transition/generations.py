"""Generations: what was written under one condition, on disk, in chunks that survive a kill."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from augury.models.generate import Generation
from augury.plain import fingerprint, json_text
from augury.runs.atomic import write_text
from augury.runs.folder import Run
from augury.runs.progress import track
from augury.studies.state_transition.problems import Prompt
from augury.traces.records import read_json_lines

__all__ = [
    "Row",
    "Writer",
    "generation_path",
    "read_rows",
    "row_of",
    "sample_key",
    "save_rows",
    "write_rows",
]

Writer = Callable[[Sequence[Prompt], Sequence[int]], Sequence[Generation]]
"""Continues prompts, given the key of each."""


@dataclass(frozen=True, slots=True)
class Row:
    """One continuation; the first thirteen fields are those of the first version."""

    example_id: int
    sample_id: int
    variant: str
    condition: str
    prompt: str
    completion: str
    full_text: str
    prompt_tokens: int
    completion_tokens: int
    """What the model wrote, its end token aside. No padding."""

    finish_reason: str
    """`stop`: the model ended it; `length`: a limit did."""

    gen_params: dict[str, Any]
    model_hf_id: str
    draw: int
    """Number of the random draw, from 0; -1 where nothing is random."""

    token_ids: tuple[int, ...]
    """Of the completion."""


def sample_key(example_id: int, sample_id: int) -> int:
    """What decides the draws of a sample: the same in every format, condition and batch."""
    name = f"{example_id}/{sample_id}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big")


def generation_path(run: Run, variant: str, condition: str) -> Path:
    """Where the rows of a condition are."""
    return run.path / "generations" / variant / f"{condition}.jsonl"


def write_rows(
    path: Path,
    jobs: Sequence[tuple[Prompt, int]],
    write: Writer,
    decode: Callable[[Sequence[int]], str],
    facts: dict[str, Any],
    *,
    chunk: int,
) -> list[Row]:
    """Write the continuations of all jobs, or what is missing of them, and read them back.

    Chunks are cut by the plan alone, so a job that was interrupted meets the same batches and ends
    with the same bytes.

    Args:
        path: Where the rows go.
        jobs: Prompt and number of the sample.
        write: Continues them.
        decode: Text of ids.
        facts: `condition`, `draw`, `gen_params`, `model_hf_id`, and whatever else decides the text.
        chunk: Jobs per chunk.
    """
    plan = fingerprint([facts, chunk, [(prompt.ids, sample) for prompt, sample in jobs]])
    parts = path.parent / f".parts-{path.stem}-{plan[:16]}"
    starts = range(0, len(jobs), chunk)
    for start in track(starts, what=f"writing {facts['condition']}", unit="chunks"):
        part = parts / f"{start:08d}.jsonl"
        if part.is_file():
            continue
        some = jobs[start : start + chunk]
        keys = [sample_key(prompt.example_id, sample) for prompt, sample in some]
        written = write([prompt for prompt, _ in some], keys)
        save_rows(
            part,
            [
                row_of(prompt, sample, generation, decode(generation.ids), facts)
                for (prompt, sample), generation in zip(some, written, strict=True)
            ],
        )
    text = "".join((parts / f"{s:08d}.jsonl").read_text(encoding="utf-8") for s in starts)
    write_text(path, text)
    for part in sorted(parts.glob("*.jsonl")):
        part.unlink()
    parts.rmdir()
    return read_rows(path)


def save_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as JSON lines, whole or not at all."""
    write_text(path, "".join(f"{json_text(asdict(row))}\n" for row in rows))


def read_rows(path: Path) -> list[Row]:
    """Rows of a file that `write_rows` wrote."""
    rows: list[dict[str, Any]] = [row for _, row in read_json_lines(path)]
    return [Row(**{**row, "token_ids": tuple(row["token_ids"])}) for row in rows]


def row_of(
    prompt: Prompt, sample: int, generation: Generation, text: str, facts: dict[str, Any]
) -> Row:
    """One continuation as a row; `facts` as in `write_rows`."""
    return Row(
        example_id=prompt.example_id,
        sample_id=sample,
        variant=prompt.variant,
        condition=facts["condition"],
        prompt=prompt.text,
        completion=text,
        full_text=prompt.text + text,
        prompt_tokens=len(prompt.ids),
        completion_tokens=len(generation.ids),
        finish_reason=generation.finish,
        gen_params=json.loads(json_text(facts["gen_params"])),
        model_hf_id=facts["model_hf_id"],
        draw=facts.get("draw", -1),
        token_ids=tuple(generation.ids),
    )
