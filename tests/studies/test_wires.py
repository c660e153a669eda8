"""The tripwires of a job: each must go off when what it guards is broken."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from augury.activations.store import Store
from augury.evaluate.tripwires import Tripwire
from augury.runs.folder import Run
from augury.studies import wires
from augury.studies.backtracking_lag.activations import STORE
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.probes import SCORES
from augury.studies.scores import Scores, read_scores


def touch(
    run: Run, config: BacktrackingLagConfig, scores: Scores
) -> tuple[list[Tripwire], list[str]]:
    return wires.touch_wires(run, Store.open(run.path / STORE), scores, config.axes)


def test_a_sound_job_touches_no_wire(small_run: Run, small_config: BacktrackingLagConfig) -> None:
    found, not_run = touch(small_run, small_config, read_scores(small_run.path / SCORES))
    assert [wire.name for wire in found if not wire.passed] == []
    assert len(found) == 3 and not not_run


def test_a_fit_whose_labels_slid_by_one_row_is_caught(
    small_run: Run, small_config: BacktrackingLagConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = read_scores(small_run.path / SCORES)
    fit = wires.fit_logistic_grid
    monkeypatch.setattr(
        wires, "fit_logistic_grid", lambda x, y, *rest: fit(x, np.roll(y, 1, axis=0), *rest)
    )
    found, _ = touch(small_run, small_config, scores)
    assert [w.name for w in found if not w.passed] == ["an unregularised probe memorises one group"]


def test_a_bundle_that_is_not_the_fitted_probe_is_caught(
    small_run: Run, small_config: BacktrackingLagConfig, tmp_path: Path
) -> None:
    """Sound files with the wrong contents: another horizon's probe under this one's name."""
    shutil.copytree(small_run.path, tmp_path / "small")
    copied = Run(tmp_path / "small")
    one, other = sorted((copied.path / "probes").glob("*/*"))[:2]
    shutil.rmtree(one)
    shutil.copytree(other, one)
    found, _ = touch(copied, small_config, read_scores(copied.path / SCORES))
    assert [w.name for w in found if not w.passed] == ["the reloaded probe scores the same"]


def test_without_positive_rows_the_wires_say_that_they_were_not_run(
    small_run: Run, small_config: BacktrackingLagConfig
) -> None:
    scores = read_scores(small_run.path / SCORES)
    label = small_config.targets.labels[0]
    silent = replace(scores, labels={label: np.zeros_like(scores.labels[label])})
    found, not_run = touch(small_run, small_config, silent)
    assert len(found) == 1 and not_run == ["shuffled labels", "a probe that memorises"]
