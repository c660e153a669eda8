"""Where does the model know that the next token is X?

After a usage guide for probes of " the" on Project Gutenberg (`docs/from-the-seeds.md`): a linear
probe at every site on the state at a token, for whether the next token is one of a set; beside it
the bigram, the model's own probability, and the current token, which is trivial.
"""

from __future__ import annotations

from augury.runs.stages import Stage
from augury.studies.next_token import (
    activations,
    checks,
    inspect,
    judge,
    prepare,
    report,
    standing,
    track,
    train,
    views,
)
from augury.studies.next_token.config import NextTokenConfig
from augury.studies.study import Study, SweepPart, config_parts

__all__ = ["STUDY"]


STUDY: Study[NextTokenConfig] = Study(
    name="next-token",
    question="Where does the model know that the next token is X?",
    config=NextTokenConfig,
    stages=(
        Stage(
            "prepare",
            prepare.prepare_books,
            config_parts("model", "books", "split"),
            outputs=(prepare.TRACES, prepare.TOKENS, prepare.SPLIT, prepare.FACTS),
        ),
        Stage(
            "inspect",
            inspect.inspect_books,
            config_parts("targets", "sweep", "reading"),
            after=("prepare",),
            outputs=(inspect.INSPECTION, inspect.INSPECTION_TEXT),
        ),
        Stage(
            "read",
            activations.read_activations,
            config_parts("model", "sweep", "reading"),
            after=("prepare",),
            outputs=(activations.STORE, activations.DOCTOR),
        ),
        Stage(
            "train",
            train.fit_probes,
            lambda config: {
                **config_parts("targets", "probe")(config),
                "unit": config.evaluation.unit,
                "baselines": config.evaluation.baselines,
            },
            after=("prepare", "read"),
            outputs=(train.SCORES, train.FITS),
        ),
        Stage(
            "judge",
            judge.judge_probes,
            config_parts("targets", "evaluation"),
            after=("train",),
            outputs=(judge.CELLS, judge.SITES, judge.CSV, judge.SUMMARY, "probes"),
        ),
        Stage(
            "track",
            track.track_probes,
            config_parts("tracking"),
            after=("judge",),
            outputs=(track.TRACKED,),
        ),
        Stage(
            "view",
            views.draw_view,
            config_parts("view"),
            after=("prepare", "judge"),
            outputs=(views.VIEW,),
        ),
        Stage(
            "report",
            report.write_report,
            lambda config: config.model_dump(mode="json", exclude={"tracking"}),
            after=("inspect", "read", "train", "judge", "view"),
            outputs=("report.html", "report.md"),
        ),
    ),
    conclude=report.conclude,
    tell={"inspect": inspect.read_inspection, "judge": report.sweep_lines},
    examine=checks.examine,
    estimate=checks.estimate_reading,
    tripwires=checks.tripwires,
    verify=judge.verify,
    view=views.view_traces,
    judge=judge.judge_again,
    sweep=SweepPart(
        judged="judge",
        standings=standing.standings,
        shared=("prepare", "read", "train"),
        reads="read",
    ),
)
