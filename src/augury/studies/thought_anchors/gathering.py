"""The problems of a setting, as their files tell them; which cannot be read, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from augury.errors import DataError, MissingInput
from augury.models.load import ModelConfig
from augury.models.source import glimpse
from augury.runs.paths import expand
from augury.runs.progress import say, track
from augury.studies.thought_anchors.config import DataConfig
from augury.traces.sources.math_rollouts import (
    RolloutProblem,
    problem_digest,
    problem_trace,
    read_problem,
)
from augury.traces.trace import Trace

__all__ = ["Gathered", "file_digests", "gather_problems", "reader_glimpse"]


@dataclass(frozen=True)
class Gathered:
    """Problems that could be read, and why others could not."""

    problems: list[RolloutProblem]
    skipped: dict[int, str]
    """Problem -> the error, in one line."""

    traces: list[Trace]
    """One per problem."""


def gather_problems(config: DataConfig) -> Gathered:
    """Read every problem of the index.

    Raises:
        DataError: None could be read, or one could not and `on_fault` is `stop`.
        MissingInput: A problem or the whole folder is not there.
    """
    files = config.files()
    known = files.problem_ids()
    wanted = list(config.problems or known)[: config.limit]
    problems, traces, skipped = [], [], {}
    for number in track(wanted, what="reading problems", unit="problems"):
        try:
            problem = read_problem(files, number)
            traces.append(problem_trace(problem, files.setting.name))
            problems.append(problem)
        except (DataError, MissingInput) as error:
            if config.on_fault == "stop":
                raise
            say(f"problem {number} is left out: {error}")
            skipped[number] = str(error)
    if not problems:
        raise DataError(
            "data", found=f"none of {len(wanted)} problems could be read", expected="problems"
        )
    return Gathered(problems, skipped, traces)


def file_digests(config: DataConfig) -> dict[str, str]:
    """Hash of the files of each problem of a folder, so that a run notices when they change.

    Empty for the hub, where the commit says it, and for a folder that is not there.
    """
    if config.source == "hub":
        return {}
    found = {}
    try:
        files = config.files()
        for number in list(config.problems or files.problem_ids())[: config.limit]:
            found[str(number)] = problem_digest(files, number)
    except (DataError, MissingInput):
        # the stage itself says what is wrong
        return found
    return found


def reader_glimpse(model: ModelConfig) -> dict[str, str]:
    """Glimpses of the local folders of model and adapter, so that a run notices other weights.

    A model of the hub has none: its revision says it, and the store refuses another one.
    """
    try:
        named = {"model files": expand(model.name, "model.name"), "adapter files": model.adapter}
    except MissingInput:
        # the stage itself says what is wrong
        return {}
    folders = {key: Path(name) for key, name in named.items() if name and Path(name).is_dir()}
    return {key: glimpse(folder, _MODEL_FILES) for key, folder in folders.items()}


_MODEL_FILES = ("*.safetensors", "*config.json", "tokenizer.json")
