"""Stage `rollouts`: make what the study reads, where the config says how."""

from __future__ import annotations

from pathlib import Path

from augury.rollouts.job import make_rollouts
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.runs.paths import expand
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig

__all__ = ["ABOUT", "make_own_rollouts"]

ABOUT = "data/rollouts.json"


def make_own_rollouts(run: Run, config: ThoughtAnchorsConfig) -> dict[str, object]:
    """Make the rollouts of `data.rollouts` below `data.path`; those that are there are kept.

    They lie outside the run, so that every run with the same settings reads the same ones.
    """
    wanted, facts = config.data.rollouts, {}
    if wanted is not None:
        made = make_rollouts(wanted, Path(expand(str(config.data.path), "data.path")))
        facts = {
            "problems": len(made.labelled),
            "sentences": made.sentences,
            "compared_by": made.encoder,
            "threshold": made.threshold,
            "left_out": {str(number): why for number, why in made.left_out.items()},
        }
    write_json(run.path / ABOUT, facts)
    return facts
