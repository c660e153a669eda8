"""Base solutions: the ones whose sentences are written anew."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from augury.errors import CheckFailed, DataError
from augury.models.generate import Generation
from augury.rollouts.answers import Answered, judge_solution
from augury.rollouts.author import Author, draw_key
from augury.rollouts.config import RolloutsConfig
from augury.rollouts.cuts import CutSentence, cut_sentences
from augury.rollouts.files import Tree
from augury.rollouts.questions import Question
from augury.runs.atomic import write_json
from augury.traces.prompts import LITERAL, Rendered, prefilled, render_prompt
from augury.traces.text import normalised_hash
from augury.traces.tokens import encode_prompt, tokenise
from augury.traces.trace import Origin, Span, Trace

__all__ = ["BaseSolution", "Solved", "read_base", "solve", "write_base"]


@dataclass(frozen=True, eq=False, slots=True)
class BaseSolution:
    """One solution, cut."""

    question: Question
    prompt: str
    solution: str
    ids: tuple[int, ...]
    """Of prompt and solution: what the model is fed a beginning of."""

    sentences: tuple[CutSentence, ...]

    def words(self, sentence: CutSentence) -> str:
        """The sentence itself."""
        return (self.prompt + self.solution)[sentence.start : sentence.end]

    def before(self, sentence: CutSentence) -> str:
        """Text that is continued in its place, the prompt included."""
        return (self.prompt + self.solution)[: sentence.prefix_end]

    def prefix(self, sentence: CutSentence) -> tuple[int, ...]:
        """The same as ids."""
        return self.ids[: sentence.token]


@dataclass(frozen=True, eq=False, slots=True)
class Solved:
    """What became of a problem."""

    question: Question
    base: BaseSolution | None
    answer: Answered
    """Of the solution that was taken, or of the last that was not."""

    given_ids: tuple[int, ...] = ()
    """Of the solution, where the model wrote it."""

    why: str = ""
    """Why none was taken."""


def solve(questions: Sequence[Question], config: RolloutsConfig, author: Author) -> list[Solved]:
    """One solution of each problem: the first of some attempts that may be taken, or the given one.

    Raises:
        DataError: As `cut_sentences`, of a given solution.
    """
    rendered = [_prompt(question, config, author) for question in questions]
    wanted = [n for n, question in enumerate(questions) if question.solution is None]
    attempts = range(config.base.attempts)
    jobs = [(n, attempt) for n in wanted for attempt in attempts]
    prompts = {n: encode_prompt(rendered[n], author.tokenizer) for n in wanted}
    keys = [draw_key(questions[n].id, "base", attempt) for n, attempt in jobs]
    written = author.write([prompts[n] for n, _ in jobs], keys, config.sampling)
    tries: dict[int, list[Generation]] = {n: [] for n in wanted}
    for (n, _), generation in zip(jobs, written, strict=True):
        tries[n].append(generation)
    solved = []
    for n, question in enumerate(questions):
        if question.solution is None:
            solved.append(_first(question, rendered[n], prompts[n], tries[n], config, author))
        else:
            solved.append(_given(question, rendered[n], config, author))
    return solved


def write_base(tree: Tree, solved: Solved) -> None:
    """Write the files of a problem whose solution was taken."""
    base, question = solved.base, solved.question
    assert base is not None
    text = base.prompt + base.solution
    write_json(
        tree.problem(question.id, "problem.json"),
        {
            "problem": question.problem,
            "level": question.level,
            "type": question.subject,
            "gt_solution": "",
            "gt_answer": question.answer,
        },
    )
    write_json(
        tree.problem(question.id, "base_solution.json"),
        {
            "prompt": base.prompt,
            "solution": base.solution,
            "full_cot": text,
            "answer": solved.answer.text,
            "is_correct": solved.answer.state == "right",
            "state": solved.answer.state,
            "token_ids": " ".join(map(str, solved.given_ids)),
        },
    )
    write_json(
        tree.problem(question.id, "chunks.json"),
        {
            "source_text": text,
            "solution_text": base.solution,
            "chunks": [base.words(sentence) for sentence in base.sentences],
        },
    )


def read_base(tree: Tree, question: Question, config: RolloutsConfig, author: Author) -> Solved:
    """The solution that an earlier call wrote."""
    path = tree.problem(question.id, "base_solution.json")
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    ids = tuple(int(number) for number in record["token_ids"].split())
    rendered = _prompt(question, config, author)
    base = _cut(question, rendered, record["solution"], ids, author)
    return Solved(question, base, Answered(record["state"], record["answer"]), ids)


def _prompt(question: Question, config: RolloutsConfig, author: Author) -> Rendered:
    content = config.prompt.template.replace("{problem}", question.problem)
    rendered = render_prompt(content, author.tokenizer, style=config.prompt.style)
    return prefilled(rendered, config.prompt.prefill)


def _first(
    question: Question,
    rendered: Rendered,
    fed: Sequence[int],
    tries: Sequence[Generation],
    config: RolloutsConfig,
    author: Author,
) -> Solved:
    seen: Counter[str] = Counter()
    answer = Answered("unparsed", "")
    for generation in tries:
        text = author.text(fed, generation.ids)
        finished = generation.finish == "stop"
        answer = judge_solution(rendered.text, text, question.answer, finished=finished)
        ids = tuple(generation.ids)
        if not finished or not _wanted(answer, config):
            seen[answer.state if finished else "truncated"] += 1
            continue
        try:
            base = _cut(question, rendered, text, ids, author)
        except DataError as error:
            seen[error.found] += 1
            continue
        _check_fed(question, base, fed)
        if config.base.sentences and len(base.sentences) > config.base.sentences:
            seen[f"longer than {config.base.sentences} sentences"] += 1
            continue
        return Solved(question, base, answer, ids)
    told = ", ".join(f"{n} {what}" for what, n in seen.items())
    why = f"no solution to take ({config.base.take}) in {len(tries)} attempts: {told}"
    return Solved(question, None, answer, why=why)


def _given(
    question: Question, rendered: Rendered, config: RolloutsConfig, author: Author
) -> Solved:
    solution = str(question.solution).removeprefix(config.prompt.prefill)
    answer = judge_solution(rendered.text, solution, question.answer, finished=True)
    if not _wanted(answer, config):
        return Solved(question, None, answer, why=f"its given solution is {answer.state}")
    base = _cut(question, rendered, solution, (), author)
    if config.base.sentences and len(base.sentences) > config.base.sentences:
        return Solved(question, None, answer, why=f"{len(base.sentences)} sentences are too many")
    return Solved(question, base, answer)


def _wanted(answer: Answered, config: RolloutsConfig) -> bool:
    wanted = {"correct": ("right",), "incorrect": ("wrong",), "any": ("right", "wrong")}
    return answer.state in wanted[config.base.take]


def _cut(
    question: Question, rendered: Rendered, solution: str, ids: Sequence[int], author: Author
) -> BaseSolution:
    start, end = rendered.literal
    trace = Trace(
        id=f"problem {question.id}",
        group=normalised_hash(question.problem),
        prompt=rendered.text,
        completion=solution,
        spans=(Span(start, end, LITERAL, "prompt"),) if start < end else (),
        fields={"token_ids": " ".join(map(str, ids))} if ids else {},
        origin=Origin("rollouts"),
    )
    tokens = tokenise(trace, author.tokenizer)
    sentences = cut_sentences(trace, tokens)
    fed = tuple(int(number) for number in tokens.ids)
    return BaseSolution(question, rendered.text, solution, fed, tuple(sentences))


def _check_fed(question: Question, base: BaseSolution, fed: Sequence[int]) -> None:
    if base.ids[: len(fed)] != tuple(fed):
        raise CheckFailed(
            f"problem {question.id}",
            found="a prompt that reads differently once the solution stands behind it",
            expected=f"the {len(fed)} ids that the model was fed",
        )
