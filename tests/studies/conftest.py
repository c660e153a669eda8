"""One small run of the main job, shared by the tests of the study and of the commands."""

from __future__ import annotations

import pytest

from augury.runs.folder import Run
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.study import STUDY

SMALL = (
    "traces.limit=160",
    "reading.sites=[resid.1, resid.3, final]",
    "targets.kind=point",
    "targets.horizons=[8, 4, 0]",
    "probe.l2=[0.03, 0.003]",
    "evaluation.draws=200",
    "evaluation.permutations=200",
    "shown_chains=1",
)


@pytest.fixture(scope="session")
def small_config() -> BacktrackingLagConfig:
    return STUDY.read_config(None, SMALL)


@pytest.fixture(scope="session")
def small_run(small_config: BacktrackingLagConfig, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = STUDY.start(tmp_path_factory.mktemp("runs"), small_config, "small")
    STUDY.execute(run, small_config)
    return run
