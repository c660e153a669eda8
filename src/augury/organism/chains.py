"""Let the embedded model think: its own chains as traces, annotated by the grammar's truth."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

from augury.models.generate import Generation, Sampling, sample
from augury.models.load import LoadedModel
from augury.organism.grammar import CATEGORY
from augury.organism.reader import Reading, read_chain
from augury.organism.world import Problem, draw_problem
from augury.traces.prompts import render_prompt
from augury.traces.tokens import encode_prompt
from augury.traces.trace import Origin, Span, Trace

__all__ = ["SLIP", "annotate", "held_out_problems", "sample_chains"]

SLIP = "slip"
"""Label of the span of a wrong result; its source says whether it was noticed later."""

_HELD_OUT = 1_000_003
"""Far from any seed of the training text."""


def held_out_problems(count: int, seed: int) -> list[Problem]:
    """Draw `count` different problems that the training text does not draw from."""
    rng = random.Random(_HELD_OUT * (seed + 1))
    problems: dict[str, Problem] = {}
    while len(problems) < count:
        problem = draw_problem(rng)
        problems[problem.text] = problem
    return list(problems.values())


def sample_chains(
    loaded: LoadedModel, problems: Sequence[Problem], settings: Sampling
) -> list[Trace]:
    """Sample one chain per problem and annotate it.

    Spans carry the label of each sentence (see `grammar.CATEGORY`) and `slip` for wrong results.
    Fields: `category` (number of steps), `gold_answer`, `answer`, `correct`, `grammatical`,
    `finish`, and `token_ids`, the ids that the model itself produced.
    """
    rendered = [render_prompt(p.text, loaded.tokenizer, style="chat") for p in problems]
    prompts = [encode_prompt(prompt, loaded.tokenizer) for prompt in rendered]
    written = sample(loaded, prompts, settings=settings, what="thinking")
    return [
        _as_trace(problem, prompt.text, generation, loaded, settings)
        for problem, prompt, generation in zip(problems, rendered, written, strict=True)
    ]


def annotate(problem: Problem, text: str, offset: int = 0) -> tuple[Reading, tuple[Span, ...]]:
    """Read a chain by the grammar and return its spans, shifted by `offset` code points."""
    reading = read_chain(problem, text)
    spans = []
    for piece in reading.pieces:
        if piece.kind in CATEGORY:
            place = (piece.start + offset, piece.end + offset)
            spans.append(Span(*place, CATEGORY[piece.kind], "grammar"))
        if piece.slip is not None:
            source = "grammar:noticed" if piece.noticed else "grammar:unnoticed"
            spans.append(Span(piece.slip[0] + offset, piece.slip[1] + offset, SLIP, source))
    return reading, tuple(sorted(spans, key=lambda span: (span.start, -span.end)))


def _as_trace(
    problem: Problem, prompt: str, generation: Generation, loaded: LoadedModel, settings: Sampling
) -> Trace:
    text = loaded.tokenizer.decode(generation.ids, clean_up_tokenization_spaces=False)
    reading, spans = annotate(problem, text, len(prompt))
    key = hashlib.blake2b(problem.text.encode(), digest_size=8).hexdigest()
    return Trace(
        id=f"{key}-{settings.seed}",
        group=key,
        prompt=prompt,
        completion=text,
        spans=spans,
        fields={
            "category": f"{len(problem.changes)} steps",
            "gold_answer": problem.answer,
            "answer": reading.answer,
            "correct": reading.answer == problem.answer,
            "grammatical": reading.grammatical,
            "finish": generation.finish,
            "token_ids": " ".join(map(str, generation.ids)),
        },
        origin=Origin("organism", f"problems seed {settings.seed}", loaded.config.name),
    )
