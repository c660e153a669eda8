"""Stage `rollouts`: make what the study reads, where the config says how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from augury.plain import fingerprint
from augury.rollouts.config import RolloutsConfig
from augury.rollouts.estimate import RolloutEstimate
from augury.rollouts.job import Made, is_finished, make_rollouts, plan_rollouts
from augury.rollouts.planted import judge_planted
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.runs.paths import expand
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig
from augury.traces.sources.math_rollouts import read_problem

__all__ = ["ABOUT", "RolloutSet", "make_own_rollouts", "rollouts_of"]

ABOUT = "data/rollouts.json"


@dataclass(frozen=True)
class RolloutSet:
    """Rollouts outside of the run, so that every run with the same settings reads the same ones."""

    config: RolloutsConfig
    root: Path
    """Holds the folders of models."""

    @property
    def key(self) -> str:
        """What decides the set: settings and place."""
        return fingerprint([str(self.root), self.config.model_dump(mode="json")])

    @property
    def name(self) -> str:
        """For messages."""
        return f"rollouts {self.config.setting.name}"

    def is_made(self) -> bool:
        """Whether the whole set is there."""
        return is_finished(self.config, self.root)

    def make(self) -> Made:
        """Make what is missing of it; raises as `make_rollouts`."""
        return make_rollouts(self.config, self.root)

    def estimate(self) -> RolloutEstimate:
        """What making it costs; raises as `plan_rollouts`."""
        return plan_rollouts(self.config, self.root)[0]


def rollouts_of(config: ThoughtAnchorsConfig) -> RolloutSet | None:
    """The rollouts of `data.rollouts` below `data.path`; None where published ones are read."""
    wanted = config.data.rollouts
    if wanted is None:
        return None
    return RolloutSet(wanted, Path(expand(str(config.data.path), "data.path")))


def make_own_rollouts(run: Run, config: ThoughtAnchorsConfig) -> dict[str, object]:
    """Make the rollouts of the config where it wants its own; those that are there are kept."""
    wanted = rollouts_of(config)
    facts: dict[str, object] = {}
    if wanted is not None:
        made = wanted.make()
        facts = {
            "problems": len(made.labelled),
            "sentences": made.sentences,
            "compared_by": made.encoder,
            "threshold": made.threshold,
            "left_out": {str(number): why for number, why in made.left_out.items()},
            "planted": _planted(config, made.labelled),
        }
    write_json(run.path / ABOUT, facts)
    return facts


def _planted(config: ThoughtAnchorsConfig, problems: Sequence[int]) -> list[dict[str, object]]:
    """What the grammar knows of these sentences, against their importance; nothing elsewhere."""
    wanted = config.data.rollouts
    if wanted is None or wanted.questions.source not in ("organism", "planted"):
        return []
    files = config.data.files()
    return [asdict(row) for row in judge_planted([read_problem(files, n) for n in problems])]
