"""Can an event be predicted before it happens: in which layer, and how many tokens ahead?

After "Backtracking Probe Training Experiment" (`docs/from-the-seeds.md`): probes on the hidden
state at token t for an event at token t + h, over sites and horizons, against predictors that
never see a hidden state. Six stages; each reads what the ones before it wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from augury.runs.stages import Stage
from augury.studies.backtracking_lag import (
    activations,
    checks,
    evaluation,
    figures,
    probes,
    report,
    traces,
    views,
)
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.study import Study

__all__ = ["STUDY"]


def _inputs(*names: str) -> Callable[[BacktrackingLagConfig], Mapping[str, object]]:
    """What a stage depends on: these parts of the config."""

    def parts(config: BacktrackingLagConfig) -> Mapping[str, object]:
        whole = config.model_dump(mode="json")
        return {name: whole[name] for name in names}

    return parts


STUDY: Study[BacktrackingLagConfig] = Study(
    name="backtracking-lag",
    question="Can backtracking be predicted before it happens: where, and how early?",
    config=BacktrackingLagConfig,
    stages=(
        Stage(
            "traces",
            traces.make_traces,
            _inputs("model", "traces", "split"),
            outputs=(traces.TRACES, traces.TOKENS, traces.SPLIT, traces.FACTS),
        ),
        Stage(
            "activations",
            activations.read_activations,
            _inputs("model", "reading"),
            after=("traces",),
            outputs=(activations.STORE, activations.DOCTOR),
        ),
        Stage(
            "probes",
            probes.fit_probes,
            _inputs("targets", "probe", "split"),
            after=("traces", "activations"),
            outputs=(probes.SCORES, probes.PROBES),
        ),
        Stage(
            "evaluation",
            evaluation.evaluate_cells,
            _inputs("targets", "evaluation"),
            after=("probes",),
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
            _inputs("targets", "shown_chains"),
            after=("traces", "probes", "evaluation"),
            outputs=("figures",),
        ),
        Stage(
            "report",
            report.write_report,
            lambda config: config.model_dump(mode="json"),
            after=("traces", "activations", "probes", "evaluation", "figures"),
            outputs=("report.html", "report.md"),
        ),
    ),
    conclude=report.conclude,
    examine=checks.examine,
    tripwires=checks.tripwires,
    verify=checks.verify,
    view=views.view_traces,
    judge=checks.judge_again,
)
