"""Which sentences of a solution will matter, and what tells it without looking into a model?

After "Thought Anchor Probes" (`docs/from-the-seeds.md`): sentences of solved maths problems, their
importance from rollouts, and a ladder of predictors that see no hidden state, each problem scored
by what was fitted without it. Five stages; each reads what the ones before it wrote.
"""

from __future__ import annotations

from collections.abc import Mapping

from augury.runs.stages import Stage
from augury.studies.study import Study, SweepPart, config_parts
from augury.studies.thought_anchors import (
    checks,
    evaluation,
    figures,
    report,
    scores,
    sentences,
    standing,
)
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig

__all__ = ["STUDY"]


def _sentence_inputs(config: ThoughtAnchorsConfig) -> Mapping[str, object]:
    """The config, and what is in the files that it names."""
    parts = config_parts("data", "labels", "folds", "evaluation")(config)
    return {**parts, "files": sentences.file_digests(config.data)}


STUDY: Study[ThoughtAnchorsConfig] = Study(
    name="thought-anchors",
    question="Which sentences of a solution will matter?",
    config=ThoughtAnchorsConfig,
    stages=(
        Stage(
            "sentences",
            sentences.make_sentences,
            _sentence_inputs,
            outputs=(
                sentences.TRACES,
                sentences.SENTENCES,
                sentences.FOLDS,
                sentences.FACTS,
                sentences.PROBLEMS,
            ),
        ),
        Stage(
            "scores",
            scores.fit_ladder,
            config_parts("labels", "evaluation"),
            after=("sentences",),
            outputs=(scores.PREDICTIONS, scores.SHUFFLED),
        ),
        Stage(
            "evaluation",
            evaluation.evaluate_ladder,
            config_parts("labels", "evaluation", "deferral"),
            after=("sentences", "scores"),
            outputs=(evaluation.CELLS, evaluation.CSV, evaluation.SUMMARY),
        ),
        Stage(
            "figures",
            figures.draw_figures,
            config_parts("labels"),
            after=("sentences", "evaluation"),
            outputs=("figures",),
        ),
        Stage(
            "report",
            report.write_report,
            lambda config: config.model_dump(mode="json"),
            after=("sentences", "evaluation", "figures"),
            outputs=("report.html", "report.md"),
        ),
    ),
    conclude=report.conclude,
    examine=checks.examine,
    tripwires=checks.tripwires,
    verify=checks.verify,
    view=checks.view,
    failures=checks.failures,
    misplaced=checks.misplaced,
    sweep=SweepPart(
        judged="evaluation", standings=standing.standings, shared=("sentences", "scores")
    ),
    default="qwen-14b-correct-full",
)
