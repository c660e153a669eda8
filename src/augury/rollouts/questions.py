"""The problems, from wherever they come, and solutions that are given with them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from augury.errors import DataError
from augury.organism.chains import held_out_problems
from augury.organism.world import Problem
from augury.organism.writer import write_chain
from augury.rollouts.config import QuestionConfig
from augury.runs.paths import expand
from augury.targets.numeric_answer import judge_answer
from augury.traces.records import read_json_lines, take, text_of
from augury.traces.sources.gsm8k import read_gsm8k

__all__ = ["Question", "read_questions"]


@dataclass(frozen=True, slots=True)
class Question:
    """One problem."""

    id: int
    """Unique; `problem_<id>` is its folder."""

    problem: str
    answer: str
    """The right one: a number, as text."""

    level: str = ""
    subject: str = ""
    solution: str | None = None
    """The base solution, where one is given: what stands behind the prompt."""

    world: Problem | None = None
    """Its truth, where the embedded model's grammar wrote the problem."""


def read_questions(config: QuestionConfig) -> list[Question]:
    """All problems, in their order.

    Raises:
        MissingInput: The file is not there.
        DataError: A line is malformed, an id stands twice, or an answer is no number; file, row
            and field are named.
    """
    if config.source in ("organism", "planted"):
        return _of_the_organism(config)
    path = Path(expand(str(config.path), "questions.path"))
    if config.source == "gsm8k":
        traces = read_gsm8k(path, prompt_style="none")[: config.count]
        return [
            Question(n, str(each.fields["problem"]), str(each.fields["gold_answer"]))
            for n, each in enumerate(traces)
        ]
    return _of_lines(path)[: config.count]


def _of_the_organism(config: QuestionConfig) -> list[Question]:
    found = []
    rng = random.Random(config.seed)
    for number, world in enumerate(held_out_problems(config.count, config.seed)):
        planted = write_chain(rng, world).text if config.source == "planted" else None
        level = f"{len(world.changes)} steps"
        found.append(Question(number, world.text, str(world.answer), level, "sums", planted, world))
    return found


def _of_lines(path: Path) -> list[Question]:
    found: dict[int, Question] = {}
    for row, record in read_json_lines(path):
        where = f"{path}:{row}"
        number = take(record, "id", int, where)
        if number < 0 or number in found:
            raise DataError(
                f"{where}:id", found=str(number), expected="a number of its own, 0 or above"
            )
        answer = text_of(record, "answer", where)
        try:
            judge_answer("", answer, finished=True)
        except DataError as error:
            raise DataError(
                f"{where}:answer", found=error.found, expected=error.expected
            ) from error
        given = text_of(record, "solution", where) if "solution" in record else None
        found[number] = Question(number, text_of(record, "problem", where), answer, solution=given)
    return list(found.values())
