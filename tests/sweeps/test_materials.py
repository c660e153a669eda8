"""What a study makes outside of its runs: made first, each once, and known by its content."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.sweeps.test_execute import run, tables
from tests.sweeps.toy import works_of, write_sweep

from augury.errors import DataError
from augury.runs.journal import read_journal
from augury.sweeps.campaign import Campaign, plan_campaign
from augury.sweeps.configs import Resolver
from augury.sweeps.execute import Orders, execute
from augury.sweeps.folder import SweepFolder
from augury.sweeps.spec import read_spec
from augury.sweeps.write_up import plan_lines, status_lines, write_tables

GROUNDS = """
axes:
  ground: [one, two]
  label: [wait, but]
  percentile: [85, 90]
"""


def planned(path: Path) -> Campaign:
    return plan_campaign(SweepFolder(path.parent / "out"), Resolver(read_spec(path), path.parent))


def counted(folder: Path) -> dict[str, int]:
    works = [work.partition(":")[0] for work in works_of(folder / "log.txt")]
    return {stage: works.count(stage) for stage in ("ground", "read", "fit", "judge")}


def test_each_is_made_once_before_anything_reads_it(tmp_path: Path) -> None:
    run(write_sweep(tmp_path, GROUNDS))
    assert works_of(tmp_path / "log.txt")[:2] == ["ground:one", "ground:two"]
    assert counted(tmp_path) == {"ground": 2, "read": 2, "fit": 4, "judge": 8}
    run(write_sweep(tmp_path, GROUNDS))
    assert counted(tmp_path) == {"ground": 2, "read": 2, "fit": 4, "judge": 8}


def test_a_plan_makes_nothing_and_counts_what_the_run_then_does(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, GROUNDS)
    lines = plan_lines(planned(path), estimate=False)
    assert not works_of(tmp_path / "log.txt") and not (tmp_path / "out").exists()
    assert "to make  ground one, read by 4 runs" in lines
    work = {
        line.split()[0]: line.split()[1:3] for line in lines if line.startswith(("r", "f", "j"))
    }
    assert work == {"read": ["2", "8"], "fit": ["4", "8"], "judge": ["8", "8"]}
    told = "\n".join(plan_lines(planned(path)))
    assert "tokens   10 to write, 7 to read" in told
    assert "together 2 to make, 0.020 GB, 3.0 min" in told and "\nreading" not in told
    run(path, most=1)
    assert counted(tmp_path) == {"ground": 1, "read": 1, "fit": 1, "judge": 1}, "only what is read"
    assert "to make  ground two, read by 4 runs" in plan_lines(planned(path), estimate=False)


def test_what_was_changed_runs_again_and_nothing_else(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, GROUNDS)
    run(path)
    (tmp_path / "ground-two.txt").write_text("edited")
    left = planned(path)
    assert sum(left.is_done(each) for each in left.runs) == 4
    run(path)
    assert counted(tmp_path) == {"ground": 2, "read": 3, "fit": 6, "judge": 12}
    # made anew with the old content, it is what it was; what was edited is forgotten
    (tmp_path / "ground-two.txt").unlink()
    (tmp_path / "ground-one.txt").unlink()
    done = run(path)
    assert counted(tmp_path) == {"ground": 4, "read": 4, "fit": 8, "judge": 16}
    assert all(map(done.is_done, done.runs))


def test_one_that_fails_takes_only_its_configs_along(tmp_path: Path) -> None:
    axes = """
axes:
  ground: {bad: {ground: bad, fault: ground}, good: {ground: good}}
  label: [wait, but]
"""
    path = write_sweep(tmp_path, axes)
    with pytest.raises(DataError, match=r"ground bad: ground: nothing to stand on"):
        run(path)
    assert counted(tmp_path)["read"] == 0
    campaign = run(path, go_on=True, retries=3)
    assert sum(map(campaign.is_done, campaign.runs)) == 2
    told = status_lines(campaign)
    assert told[0] == "2 of 4 runs done, 2 left, 2 failed"
    assert sum("ground bad: ground: nothing to stand on" in line for line in told) == 2
    # an error of the config is met once per call; a call later it is tried again
    assert works_of(tmp_path / "log.txt").count("ground:bad") == 2
    (tmp_path / "ground-bad.txt").write_text("given by hand")
    campaign = run(write_sweep(tmp_path, axes.replace("fault: ground", "fault: ''")))
    assert all(map(campaign.is_done, campaign.runs))


OWN = """
study: thought-anchors
config: base.yaml
axes:
  labels.percentile: [70, 90]
"""
"""Two configs that read rollouts which nobody has made."""

DATA = {
    "path": "here",
    "rollouts": {
        "questions": {"source": "planted", "count": 8, "seed": 3},
        "base": {"take": "any", "sentences": 9},
        "rollouts": 2,
        "forced": {"count": 0},
        "sampling": {"max_new_tokens": 120},
        "encoder": {"name": "own"},
        "chunk": 20,
    },
}

JOB = """
import sys
from pathlib import Path
from tests.sweeps.test_materials import sweep_own
sweep_own(Path(sys.argv[1]))
"""


def sweep_own(folder: Path) -> Campaign:
    """Run the sweep over own rollouts in a folder, from nothing or from where it stopped."""
    from augury.activations.engine import local_engine
    from augury.sweeps.work import here

    os.chdir(folder)
    base = {"data": DATA, "evaluation": {"draws": 100, "permutations": 200}}
    (folder / "base.yaml").write_text(json.dumps(base))
    (folder / "own.yaml").write_text(OWN)
    resolver = Resolver(read_spec(folder / "own.yaml"), folder)
    campaign = execute(SweepFolder(folder / "out"), resolver, local_engine(here), Orders())
    write_tables(campaign)
    return campaign


def test_killed_while_rollouts_are_made_it_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    campaign = sweep_own(whole)
    assert all(map(campaign.is_done, campaign.runs)) and len(campaign.runs) == 2
    journal = killed / "here" / "organism" / "planted_base_solution" / "journal.jsonl"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    job = subprocess.Popen([sys.executable, "-c", JOB, str(killed)], env=environment)
    while job.poll() is None and not any("rollouts" in line for line in read_journal(journal)):
        time.sleep(0.02)
    job.send_signal(signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL, "it ended before it could be killed"
    assert not list(killed.rglob("stages.jsonl")), "no run began before they were made"
    sweep_own(killed)
    assert _rollouts(killed) == _rollouts(whole)
    assert tables(killed / "out") == tables(whole / "out")
    ids = {path.name for path in (killed / "out" / "standings").iterdir()}
    assert ids == {path.name for path in (whole / "out" / "standings").iterdir()}


def _rollouts(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted((folder / "here").rglob("*"))
        if path.is_file() and path.name not in (".lock", "journal.jsonl")
    }
