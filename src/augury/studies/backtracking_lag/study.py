"""Can an event be predicted before it happens: in which layer, and how many tokens ahead?

After "Backtracking Probe Training Experiment" (`docs/from-the-seeds.md`): probes on the hidden
state at token t for an event at token t + h, over sites and horizons, against predictors that
never see a hidden state. Seven stages; each reads what the ones before it wrote.
"""

from __future__ import annotations

from augury.runs.stages import Stage
from augury.studies.backtracking_lag import (
    activations,
    checks,
    evaluation,
    figures,
    groups,
    probes,
    report,
    standing,
    traces,
    views,
)
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.study import Study, SweepPart, config_parts

__all__ = ["STUDY"]


STUDY: Study[BacktrackingLagConfig] = Study(
    name="backtracking-lag",
    question="Can backtracking be predicted before it happens: where, and how early?",
    config=BacktrackingLagConfig,
    stages=(
        Stage(
            "traces",
            traces.make_traces,
            config_parts("model", "traces"),
            outputs=(traces.TRACES, traces.TOKENS, traces.FACTS),
        ),
        Stage(
            "split",
            groups.deal_groups,
            groups.split_inputs,
            after=("traces",),
            outputs=(groups.SPLIT,),
        ),
        Stage(
            "activations",
            activations.read_activations,
            config_parts("model", "reading"),
            after=("traces",),
            outputs=(activations.STORE, activations.DOCTOR),
        ),
        Stage(
            "probes",
            probes.fit_probes,
            config_parts("targets", "probe"),
            after=("traces", "split", "activations"),
            outputs=(probes.SCORES, probes.PROBES),
        ),
        Stage(
            "evaluation",
            evaluation.evaluate_cells,
            config_parts("targets", "evaluation"),
            after=("traces", "split", "activations", "probes"),
            outputs=(
                evaluation.CSV,
                evaluation.PARQUET,
                evaluation.CELLS,
                evaluation.SUMMARY,
                "probes",
            ),
        ),
        Stage(
            "figures",
            figures.draw_figures,
            config_parts("targets", "shown_chains"),
            after=("traces", "split", "activations", "probes", "evaluation"),
            outputs=("figures",),
        ),
        Stage(
            "report",
            report.write_report,
            lambda config: config.model_dump(mode="json"),
            after=("traces", "split", "activations", "probes", "evaluation", "figures"),
            outputs=("report.html", "report.md"),
        ),
    ),
    conclude=report.conclude,
    examine=checks.examine,
    tripwires=checks.tripwires,
    verify=checks.verify,
    view=views.view_traces,
    judge=checks.judge_again,
    sweep=SweepPart(
        judged="evaluation",
        standings=standing.standings,
        shared=("traces", "split", "activations", "probes"),
        reads="activations",
    ),
)
