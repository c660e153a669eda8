"""Stage `rollouts`: make what the study reads, where the config says how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from augury.rollouts.job import make_rollouts
from augury.rollouts.planted import judge_planted
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.runs.paths import expand
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig
from augury.traces.sources.math_rollouts import read_problem

__all__ = ["ABOUT", "make_own_rollouts"]

ABOUT = "data/rollouts.json"


def make_own_rollouts(run: Run, config: ThoughtAnchorsConfig) -> dict[str, object]:
    """Make the rollouts of `data.rollouts` below `data.path`; those that are there are kept.

    They lie outside the run, so that every run with the same settings reads the same ones.
    """
    wanted = config.data.rollouts
    facts: dict[str, object] = {}
    if wanted is not None:
        made = make_rollouts(wanted, Path(expand(str(config.data.path), "data.path")))
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
