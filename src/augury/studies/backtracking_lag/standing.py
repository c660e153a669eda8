"""How each site did on each label and horizon, group by group, for sweeps."""

from __future__ import annotations

from collections.abc import Sequence

from augury.evaluate.standing import Standing, cell_standing
from augury.evaluate.stored import read_results
from augury.runs.folder import Run
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.evaluation import CELLS, cell_of
from augury.studies.backtracking_lag.probes import SCORES
from augury.studies.backtracking_lag.traces import TRACES
from augury.studies.scores import read_scores
from augury.traces.table import read_traces

__all__ = ["standings"]


def standings(run: Run, config: BacktrackingLagConfig) -> Sequence[Standing]:
    """One per cell, in the order of the results."""
    scores = read_scores(run.path / SCORES)
    groups = list(dict.fromkeys(trace.group for trace in read_traces(run.path / TRACES)))
    setting = config.traces.path or config.traces.source
    traces = config.traces.model_dump(mode="json", exclude={"seed"})
    question = {"traces": traces, "split": config.split.kind}
    found = []
    for result in read_results(run.path / CELLS):
        number = config.targets.horizons.index(result.horizon)
        cell = cell_of(scores, config, result.label, result.site, number)
        found.append(
            cell_standing(
                cell,
                result,
                groups,
                question=question,
                model=config.model.name,
                setting=setting,
            )
        )
    return found
