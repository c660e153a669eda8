"""`verify-labels`: do the importances of a setting follow from what they are made of?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from augury.errors import CheckFailed, MissingInput
from augury.rollouts.files import Tree, read_about
from augury.runs.progress import track
from augury.studies.thought_anchors.agreement import (
    Agreement,
    agreement_lines,
    merged,
    published_agreement,
    resampled_agreement,
    rollout_agreement,
)
from augury.studies.thought_anchors.config import DataConfig
from augury.studies.thought_anchors.gathering import gather_problems
from augury.studies.thought_anchors.own_agreement import own_agreement
from augury.targets.rollout_importance import Similarity, recorded_similarity
from augury.traces.records import read_bytes
from augury.traces.sources.rollout_files import FolderRollouts, RolloutFiles

if TYPE_CHECKING:
    from augury.rollouts.meaning import Meaning

__all__ = ["verify_labels"]

_CUT = "prefix of the rollouts"
_EMBEDDED_ALIKE = 1e-3
"""How far a cosine may be from the stored one: another machine adds in another order."""


def verify_labels(config: DataConfig) -> list[str]:
    """Compare published importances with what they are made of; lines of a table.

    Rollouts that augury made say what their sentences were compared by: that is embedded anew and
    compared with what is stored, and what is stored must give every importance. All must be there,
    and their answers are read anew from their texts. For others, `data.encoder` names the encoder.

    Raises:
        CheckFailed: A value differs, and nothing known explains it.
        MissingInput: The encoder is not there.
    """
    files, gathered = config.files(), gather_problems(config)
    ours = _ours(files)
    meaning = _meaning(config, ours)
    rows = published_agreement(gathered.problems) + resampled_agreement(files, gathered.problems)
    with_rollouts: list[int] = []
    for problem in track(gathered.problems, what="comparing rollouts", unit="problems"):
        similar: Similarity | None = meaning.similar if meaning else None
        threshold = meaning.threshold if meaning else 0.8
        if ours is not None and meaning is not None:
            told = _stored(files, problem.id)
            rows.append(_embedded(told, meaning))
            rows += own_agreement(ours, problem, read_about(ours)["made_with"]["config"])
            similar = recorded_similarity(told, where=f"problem {problem.id}, similarity.json")
        try:
            rows += rollout_agreement(
                files, problem, similar=similar, threshold=threshold, forced=_forced(files)
            )
        except MissingInput:
            continue
        with_rollouts.append(problem.id)
    if len(with_rollouts) == len(gathered.problems):
        # Where the rollouts themselves are there, what their prefix should have been is no news.
        rows = [row for row in rows if (row.value, row.how == "text before it") != (_CUT, False)]
    rows = merged(rows)
    lines = agreement_lines(rows)
    if meaning is not None:
        lines.append(f"compared by {json.dumps(dict(meaning.how), sort_keys=True)}")
    lines.append(
        f"{len(with_rollouts)} of {len(gathered.problems)} problems have rollouts of their own"
    )
    wrong = [row for row in rows if row.agreeing < row.compared and (ours or not row.why)]
    if wrong:
        found = "; ".join(
            f"{row.value} ({row.how}): {row.compared - row.agreeing}" for row in wrong
        )
        raise CheckFailed("labels", found="\n".join([found, *lines]), expected="no difference")
    return lines


def _ours(files: RolloutFiles) -> Tree | None:
    """The set, where augury made it."""
    tree = Tree(files.root, files.setting) if isinstance(files, FolderRollouts) else None
    return tree if tree is not None and tree.about.is_file() else None


def _meaning(config: DataConfig, ours: Tree | None) -> Meaning | None:
    """What tells whether sentences mean the same; None where nobody says."""
    from augury.rollouts.config import EncoderConfig
    from augury.rollouts.meaning import encoder_meaning, read_meaning

    if ours is not None:
        return read_meaning(ours, read_about(ours).get("encoder"))
    return encoder_meaning(EncoderConfig(name=config.encoder)) if config.encoder else None


def _stored(files: RolloutFiles, problem: int) -> list[dict[str, Any]]:
    path = files.path(problem, "similarity.json")
    told: list[dict[str, Any]] = json.loads(read_bytes(path, what="similarities of sentences"))
    return told


def _embedded(told: Sequence[dict[str, Any]], meaning: Meaning) -> Agreement:
    """The stored similarities of a problem against those of sentences that are embedded anew."""
    again = meaning.similarities([(row["chunk"], list(row["similar"])) for row in told])
    stored = [np.array(list(row["similar"].values())) for row in told]
    size = np.abs(np.concatenate(stored) - np.concatenate(again))
    return Agreement(
        "similarity of sentences",
        f"embedded anew, to {_EMBEDDED_ALIKE:g}",
        len(size),
        int((size <= _EMBEDDED_ALIKE).sum()),
        float(size.max(initial=0.0)),
    )


def _forced(files: RolloutFiles) -> RolloutFiles | None:
    """The setting whose rollouts had to answer at once, where it lies beside this one."""
    if not isinstance(files, FolderRollouts):
        return None
    setting = replace(files.setting, split=f"{files.setting.split}_forced_answer")
    beside = FolderRollouts(files.root, setting)
    try:
        beside.problem_ids()
    except MissingInput:
        return None
    return beside
