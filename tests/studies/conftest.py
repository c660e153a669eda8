"""One small run of each study, shared by its tests and those of the commands."""

from __future__ import annotations

import pytest

from augury.runs.folder import Run
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.study import STUDY
from augury.studies.next_token.config import NextTokenConfig
from augury.studies.next_token.study import STUDY as NEXT_TOKEN

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


SMALL_BOOKS = (
    "books.limit=60",
    "books.context=128",
    "books.warm_up=64",
    "split.fractions=[0.5, 0.2, 0.3]",
    "reading.dtype=as-computed",
    "sweep=listed",
    "reading.sites=[embed, resid.1, resid.4]",
    "targets.tokens=[' 7']",
    "probe.l2=[0.03, 0.003]",
    "evaluation.draws=200",
    "evaluation.permutations=200",
    "view.tokens=2000",
)


@pytest.fixture(scope="session")
def next_config() -> NextTokenConfig:
    return NEXT_TOKEN.read_config(None, SMALL_BOOKS)


@pytest.fixture(scope="session")
def next_run(next_config: NextTokenConfig, tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = NEXT_TOKEN.start(tmp_path_factory.mktemp("runs"), next_config, "small")
    NEXT_TOKEN.execute(made, next_config)
    return made
