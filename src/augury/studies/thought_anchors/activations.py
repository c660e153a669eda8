"""Stage `read`: the states of every sentence, once, whatever is asked of them later.

Nothing here depends on labels. A few problems go first (`pilot`); the others are read when those
have passed every check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from augury.activations.estimate import Estimate, estimate, in_minutes
from augury.activations.extract import extract
from augury.activations.plan import ReadingPlan
from augury.activations.reading import Reading
from augury.errors import UsageError
from augury.models.load import LoadedModel, depth_of
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.studies.reading import check_reader, load_reader
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig
from augury.studies.thought_anchors.pilot import pass_pilot
from augury.studies.thought_anchors.placing import placed_solutions
from augury.studies.thought_anchors.solutions import (
    Solutions,
    prepare_solutions,
    sentence_spans,
)

__all__ = [
    "READING",
    "STORE",
    "VERTICAL",
    "ReadingCost",
    "estimate_reading",
    "examine_reader",
    "read_solutions",
]

READING = "data/reading.json"
STORE, VERTICAL, PILOT = "data/activations", "data/vertical", "data/pilot"


def read_solutions(run: Run, config: ThoughtAnchorsConfig) -> dict[str, object]:
    """Read all problems that can be read."""
    for folder in (STORE, VERTICAL):
        (run.path / folder).mkdir(parents=True, exist_ok=True)
    if not config.activations:
        write_json(run.path / READING, {"activations": False})
        return {"activations": False}
    plans = _plans(config)
    solutions = placed_solutions(run, config)
    reader = _reader(config, plans)
    facts = pass_pilot(reader, solutions, plans, config, run.path / PILOT)
    rows = {}
    for plan, folder in zip(plans, (STORE, VERTICAL), strict=False):
        spans = sentence_spans(solutions, plan)
        store = extract(reader, solutions.parts, plan, run.path / folder, spans=spans)
        rows[folder] = {"rows": store.n_rows, "sites": list(store.sites)}
    write_json(
        run.path / READING,
        {
            "activations": True,
            "problems": solutions.numbers,
            "pilot": facts,
            "identity": reader.identity,
            "written_by": solutions.traces[0].origin.model,
            "stores": rows,
        },
    )
    return {"problems": len(solutions.numbers), "stores": rows}


@dataclass(frozen=True, slots=True)
class ReadingCost:
    """What the stage `read` will cost."""

    parts: Sequence[tuple[str, Estimate]]
    """Each store, with its name."""

    problems: int
    skipped: int

    @property
    def bytes(self) -> int:
        """On disk, of all stores."""
        return sum(one.bytes for _, one in self.parts)

    @property
    def seconds(self) -> float:
        """Of all stores, one after the other."""
        return sum(one.seconds for _, one in self.parts)

    def lines(self) -> list[str]:
        """The estimate in words, one store after the other, then all of it."""
        found = [f"problems {self.problems}, left out {self.skipped}"]
        for name, one in self.parts:
            found += [f"{name}:", *(f"  {line}" for line in one.lines())]
        return [*found, f"together {self.bytes / 1e9:.3f} GB, time {in_minutes(self.seconds)}"]


def estimate_reading(config: ThoughtAnchorsConfig) -> ReadingCost:
    """What reading will cost; problems are tokenised, and the model reads a few.

    Raises:
        UsageError: Nothing would be read.
    """
    if not config.activations:
        raise UsageError(
            "activations", found="false: no model is read", fix="add -o activations=true"
        )
    plans = _plans(config)
    solutions = prepare_solutions(config, plans[0])
    reader = _reader(config, plans)
    few = solutions.first(config.reading.pilot)
    wanted = [("pilot, read before the rest", few, plans[0]), ("states", solutions, plans[0])]
    wanted += [("vertical attention", solutions, plan) for plan in plans[1:]]
    parts = [(name, estimate(reader, _job(of, plan))) for name, of, plan in wanted]
    return ReadingCost(parts, len(solutions.numbers), len(solutions.skipped))


def examine_reader(config: ThoughtAnchorsConfig) -> list[str]:
    """What the doctor finds on the pilot's problems, states and attention; lines.

    Raises:
        CheckFailed: A check failed; the message names it.
    """
    plans = _plans(config)
    few = prepare_solutions(config, plans[0]).first(config.reading.pilot)
    reader = _reader(config, plans)
    named = {trace.id: trace for trace in few.traces}
    lines = []
    for plan in plans:
        report = check_reader(reader, few.parts, named, config.reading_job(plan))
        report.raise_if_failed()
        lines += report.lines()
    return lines


def _plans(config: ThoughtAnchorsConfig) -> list[ReadingPlan]:
    """Of the states, and of vertical attention where it is wanted."""
    depth = depth_of(config.named_model)
    vertical = config.reading.vertical.plan(depth)
    return [config.reading.plan(depth), *([vertical] if vertical else [])]


def _reader(config: ThoughtAnchorsConfig, plans: Sequence[ReadingPlan]) -> LoadedModel:
    return load_reader(config.named_model, [site for plan in plans for site in plan.sites])


def _job(solutions: Solutions, plan: ReadingPlan) -> Reading:
    return Reading.of(solutions.parts, plan, sentence_spans(solutions, plan))
