"""Books of the embedded model's world: problems with their solutions, none of them trained on."""

from __future__ import annotations

import random
from collections.abc import Iterator

from augury.organism.chains import held_out_problems
from augury.organism.writer import write_chain
from augury.traces.prompts import render_prompt
from augury.traces.tokenizer import Tokenizer
from augury.traces.trace import Origin, Trace

__all__ = ["write_books"]

_PROBLEMS = 12
"""Problems of a book."""


def write_books(count: int, seed: int, tokenizer: Tokenizer) -> Iterator[list[Trace]]:
    """Yield the passages of one book after the other: a problem and its solution each.

    The solutions are written by the program that wrote the training text, from held-out problems.
    """
    problems = held_out_problems(count * _PROBLEMS, seed)
    rng = random.Random(f"books {seed}")
    for book in range(count):
        yield [
            Trace(
                id=f"book-{book:04d}_{number}",
                group=f"book-{book:04d}",
                prompt=render_prompt(problem.text, tokenizer, style="chat").text,
                completion=write_chain(rng, problem).text,
                origin=Origin("organism", f"books seed {seed}"),
            )
            for number, problem in enumerate(problems[book * _PROBLEMS : (book + 1) * _PROBLEMS])
        ]
