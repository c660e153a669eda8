"""Which sentences of a solution will matter, and do states tell more of it than text and place?

After "Thought Anchor Probes" (`docs/from-the-seeds.md`): sentences of solved maths problems, their
importance from rollouts, a ladder of predictors that see no hidden state, and probes beside it,
each problem scored by what was fitted without it. Each stage reads what those before it wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from augury.runs.stages import Stage
from augury.studies.study import Study, SweepPart, config_parts
from augury.studies.thought_anchors import (
    activations,
    checks,
    evaluation,
    figures,
    own_rollouts,
    placing,
    probes,
    report,
    scores,
    sentences,
    standing,
)
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig
from augury.studies.thought_anchors.gathering import file_digests, reader_glimpse

__all__ = ["STUDY"]


def _files_and(*names: str) -> Callable[[ThoughtAnchorsConfig], Mapping[str, object]]:
    """Parts of the config, and what is in the files that it names."""

    def inputs(config: ThoughtAnchorsConfig) -> Mapping[str, object]:
        return {**config_parts(*names)(config), "files": file_digests(config.data)}

    return inputs


def _token_inputs(config: ThoughtAnchorsConfig) -> Mapping[str, object]:
    # Without a model the problems matter to the stages behind alone.
    if not config.activations:
        return {"activations": False}
    own = _files_and("activations", "data", "model")(config)
    return {**own, **reader_glimpse(config.model), "reading": placing.placing(config)}


def _read_inputs(config: ThoughtAnchorsConfig) -> Mapping[str, object]:
    if not config.activations:
        return {"activations": False}
    own = _files_and("activations", "data", "model", "reading")(config)
    return {**own, **reader_glimpse(config.model)}


def _sentence_inputs(config: ThoughtAnchorsConfig) -> Mapping[str, object]:
    # Every target stands in the table, whichever are asked for.
    labels = config.labels.model_dump(mode="json", exclude={"targets"})
    return {**_files_and("data", "folds", "evaluation")(config), "labels": labels}


def _probe_inputs(config: ThoughtAnchorsConfig) -> Mapping[str, object]:
    if not config.activations:
        return {"activations": False}
    return config_parts("activations", "labels", "evaluation", "reading", "probes")(config)


STUDY: Study[ThoughtAnchorsConfig] = Study(
    name="thought-anchors",
    question="Which sentences of a solution will matter?",
    config=ThoughtAnchorsConfig,
    stages=(
        Stage(
            "rollouts",
            own_rollouts.make_own_rollouts,
            config_parts("data"),
            outputs=(own_rollouts.ABOUT,),
        ),
        Stage(
            "tokens",
            placing.place_solutions,
            _token_inputs,
            after=("rollouts",),
            outputs=(placing.TOKENS, placing.UNREAD),
        ),
        Stage(
            "read",
            activations.read_solutions,
            _read_inputs,
            after=("rollouts", "tokens"),
            outputs=(activations.READING, activations.STORE, activations.VERTICAL),
        ),
        Stage(
            "sentences",
            sentences.make_sentences,
            _sentence_inputs,
            after=("rollouts", "tokens"),
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
            "probes",
            probes.fit_probes,
            _probe_inputs,
            after=("tokens", "read", "sentences"),
            outputs=(probes.PROBES, probes.SHUFFLED, probes.CHOSEN),
        ),
        Stage(
            "evaluation",
            evaluation.evaluate_scores,
            config_parts("labels", "evaluation", "deferral"),
            after=("sentences", "scores", "probes"),
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
            after=("rollouts", "sentences", "evaluation", "figures"),
            outputs=("report.html", "report.md"),
        ),
    ),
    conclude=report.conclude,
    examine=checks.examine,
    tripwires=checks.tripwires,
    verify=checks.verify,
    judge_within=checks.judge_again,
    estimate=activations.estimate_reading,
    view=checks.view,
    failures=checks.failures,
    misplaced=checks.misplaced,
    sweep=SweepPart(
        judged="evaluation",
        standings=standing.standings,
        shared=("rollouts", "tokens", "read", "sentences", "scores"),
        reads="read",
        material=own_rollouts.rollouts_of,
    ),
    default="organism",
)
