from __future__ import annotations

import shutil
from pathlib import Path

from augury.runs.folder import Run
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.study import STUDY
from augury.studies.openings import openings, record_opening


def test_the_same_question_is_one_look_and_another_is_two(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert openings(run) == 0
    for _ in range(2):
        record_opening(run, {"targets": {"labels": ["backtracking"]}})
        assert openings(run) == 1
    record_opening(run, {"targets": {"labels": ["deduction"]}})
    assert openings(run) == 2


def test_the_report_says_that_test_was_looked_at_again(
    small_run: Run, small_config: BacktrackingLagConfig, tmp_path: Path
) -> None:
    assert "Test was opened once" in (small_run.path / "report.md").read_text()
    shutil.copytree(small_run.path, tmp_path / "again")
    run = Run(tmp_path / "again")
    weaker = small_config.probe.model_copy(update={"l2": (0.01,)})
    STUDY.execute(run, small_config.model_copy(update={"probe": weaker}))
    assert "opened for 2 questions" in (run.path / "report.md").read_text()
