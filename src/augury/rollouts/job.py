"""Make a set of rollouts, or what is missing of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augury.errors import ConfigError, DataError
from augury.models.load import LoadedModel
from augury.plain import difference_table, plain
from augury.rollouts.answers import Answered
from augury.rollouts.author import Author
from augury.rollouts.base import BaseSolution, Solved, read_base, solve, write_base
from augury.rollouts.config import EncoderConfig, RolloutsConfig
from augury.rollouts.drawing import draw_unit_chunk, unit_chunks
from augury.rollouts.estimate import RolloutEstimate, estimate_rollouts
from augury.rollouts.files import Tree, read_about
from augury.rollouts.labels import distinct_sentences, write_labels, write_similarity
from augury.rollouts.meaning import fit_meaning, resolved_encoder, save_meaning
from augury.rollouts.questions import Question, read_questions
from augury.runs.atomic import write_json
from augury.runs.journal import Journal, read_journal
from augury.runs.lock import exclusive
from augury.runs.progress import say, track
from augury.runs.provenance import provenance

__all__ = ["Made", "is_finished", "make_rollouts", "plan_rollouts"]

_PROBLEMS = 8
"""Solutions that are written together."""

_SAMPLE = 4
"""Problems that an estimate before the start is made from."""


@dataclass(frozen=True, slots=True)
class Made:
    """A finished set."""

    folder: Path
    labelled: tuple[int, ...]
    """Problems whose sentences have labels."""

    sentences: int
    """Of these."""

    left_out: dict[int, str]
    """Problem -> why it has no labels."""

    encoder: str
    threshold: float


def make_rollouts(config: RolloutsConfig, root: Path, *, loaded: LoadedModel | None = None) -> Made:
    """Write solutions, rollouts and labels below `root`; go on where an earlier call stopped.

    What is drawn for a sample depends on (seed, problem, sentence, number of the sample) alone, and
    batches are cut by the plan alone: an interrupted job ends with the same bytes.

    Args:
        config: What is wanted.
        root: Holds the folders of models; see `rollouts.files`.
        loaded: The model, where it is loaded already.

    Raises:
        ConfigError: A set with other settings is there; the encoder cannot be used.
        DataError: No problem has a solution to take; a file of problems is malformed.
        Busy: Another process works on this set.
        MissingInput: Model, encoder or file is not there.
    """
    tree = Tree(root, config.setting)
    encoder = resolved_encoder(config.encoder, on_server=config.url is not None)
    questions = read_questions(config.questions)
    author = Author(config, loaded)
    with _begun(tree, config, encoder, author) as journal:
        solved = _bases(tree, questions, config, author, journal)
        bases = [each.base for each in solved if each.base is not None]
        left_out = {each.question.id: each.why for each in solved if each.base is None}
        if not bases:
            told = "; ".join(f"problem {n}: {why}" for n, why in list(left_out.items())[:3])
            raise DataError("questions", found=f"nothing to take: {told}", expected="a solution")
        drew = _draw_all(tree, bases, config, author, journal)
        about = read_about(tree)
        if drew or "encoder" not in about:
            about |= _judge_all(tree, bases, config, encoder, author)
            about["left_out"] = {str(n): why for n, why in left_out.items()} | about["left_out"]
            write_json(tree.about, about)
    left_out = {int(number): why for number, why in about["left_out"].items()}
    labelled = [base for base in bases if base.question.id not in left_out]
    how = about["encoder"]
    return Made(
        tree.folder,
        tuple(base.question.id for base in labelled),
        sum(len(base.sentences) for base in labelled),
        left_out,
        how.get("name", how["kind"]),
        how["threshold"],
    )


def is_finished(config: RolloutsConfig, root: Path) -> bool:
    """Whether a whole set is there that was made with these settings; no model is loaded."""
    tree = Tree(root, config.setting)
    if not tree.about.is_file():
        return False
    about = read_about(tree)
    encoder = resolved_encoder(config.encoder, on_server=config.url is not None)
    return about["made_with"]["config"] == _settings(config, encoder) and "encoder" in about


def plan_rollouts(
    config: RolloutsConfig, root: Path, *, loaded: LoadedModel | None = None
) -> tuple[RolloutEstimate, list[str]]:
    """What making them would cost, and what is done of it; nothing is written.

    The cost is reckoned from the first few problems that have a solution to take; solutions are
    written in memory.
    """
    tree = Tree(root, config.setting)
    questions = read_questions(config.questions)
    author = Author(config, loaded)
    solved: list[Solved] = []
    while not any(each.base for each in solved) and len(solved) < len(questions):
        solved += solve(questions[len(solved) : len(solved) + _SAMPLE], config, author)
    bases = [each.base for each in solved if each.base is not None]
    if not bases:
        raise DataError(
            "questions",
            found=f"none of {len(solved)} has a solution to take: {solved[0].why}",
            expected="solutions to estimate from",
        )
    taken = round(len(questions) * len(bases) / len(solved))
    done = [line for line in read_journal(tree.journal) if "rollouts" in line]
    told = [f"folder   {tree.folder}"]
    if done:
        told.append(f"done     {sum(len(line['rollouts']) for line in done)} sets of rollouts")
    return estimate_rollouts(bases, config, author, of=max(taken, len(bases))), told


@contextmanager
def _begun(
    tree: Tree, config: RolloutsConfig, encoder: EncoderConfig, author: Author
) -> Iterator[Journal]:
    """Hold the set's lock; what is there already must have been made with these settings."""
    fields: dict[str, Any] = {"config": _settings(config, encoder), "identity": author.identity}
    with exclusive(tree.lock):
        if tree.about.is_file():
            table = difference_table(read_about(tree)["made_with"], plain(fields))  # type: ignore[arg-type]
            if table:
                raise ConfigError(
                    str(tree.about),
                    found=f"rollouts with other settings\n{table}",
                    expected="the same settings",
                    fix="name another folder, or delete this one",
                )
        else:
            write_json(tree.about, {"made_with": fields, "provenance": provenance()})
        yield Journal(tree.journal)


def _settings(config: RolloutsConfig, encoder: EncoderConfig) -> dict[str, Any]:
    """What of the config decides the set."""
    return config.model_copy(update={"encoder": encoder}).model_dump(
        mode="json", exclude={"folder": True, "model": {"device"}}
    )


def _bases(
    tree: Tree,
    questions: Sequence[Question],
    config: RolloutsConfig,
    author: Author,
    journal: Journal,
) -> list[Solved]:
    """Solutions of all problems, read where they are written already."""
    done: dict[int, str] = {}
    for line in read_journal(journal.path):
        done |= {int(number): why for number, why in line.get("solved", {}).items()}
    found: list[Solved] = []
    starts = range(0, len(questions), _PROBLEMS)
    for start in track(starts, what="writing solutions", unit="batches"):
        some = questions[start : start + _PROBLEMS]
        if all(question.id in done for question in some):
            found += [
                Solved(q, None, Answered("unparsed", ""), why=done[q.id])
                if done[q.id]
                else read_base(tree, q, config, author)
                for q in some
            ]
            continue
        solved = solve(some, config, author)
        for each in solved:
            if each.base is not None:
                write_base(tree, each)
        journal.append({"solved": {str(each.question.id): each.why for each in solved}})
        found += solved
    return found


def _draw_all(
    tree: Tree,
    bases: Sequence[BaseSolution],
    config: RolloutsConfig,
    author: Author,
    journal: Journal,
) -> bool:
    """Write the rollouts that are missing; returns whether any were."""
    done = {name for line in read_journal(journal.path) for name in line.get("rollouts", ())}
    chunks = list(unit_chunks(bases, config))
    todo = [chunk for chunk in chunks if not {unit.name for unit in chunk} <= done]
    if todo and len(todo) == len(chunks):
        for line in estimate_rollouts(bases, config, author, of=len(bases)).lines():
            say(line)
    for chunk in track(todo, what="writing rollouts", unit="batches"):
        draw_unit_chunk(tree, chunk, config, author)
        journal.append({"rollouts": [unit.name for unit in chunk]})
    return bool(todo)


def _judge_all(
    tree: Tree,
    bases: Sequence[BaseSolution],
    config: RolloutsConfig,
    encoder: EncoderConfig,
    author: Author,
) -> dict[str, Any]:
    """Write similarities and labels; returns what compared, and problems without labels."""
    fitted_by = {base.question.id: distinct_sentences(tree, base) for base in bases}
    meaning = fit_meaning(config, encoder, author.loaded, fitted_by)
    save_meaning(tree, meaning)
    left_out = {}
    for base in track(bases, what="comparing sentences", unit="problems"):
        write_similarity(tree, base, meaning)
        if why := write_labels(tree, base, config, meaning.threshold):
            left_out[str(base.question.id)] = why
    return {"encoder": dict(meaning.how), "left_out": left_out}
