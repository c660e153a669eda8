from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.sweeps.toy import works_of, write_sweep

from augury.activations.engine import Engine, Work, local_engine
from augury.errors import Busy, DataError, PartialFailure, StorageError
from augury.runs.folder import list_runs
from augury.runs.journal import read_journal
from augury.runs.lock import exclusive
from augury.sweeps.campaign import Campaign, plan_campaign
from augury.sweeps.configs import Resolver
from augury.sweeps.execute import Orders, execute, next_wave
from augury.sweeps.folder import SweepFolder
from augury.sweeps.heartbeat import is_alive
from augury.sweeps.spec import read_spec
from augury.sweeps.work import Outcome, here
from augury.sweeps.write_up import plan_lines, status_lines, write_tables

GRID = """
axes:
  layer: {one: {reading.sites: [resid.1]}, mid: {reading.sites: [resid.mid]}}
  label: [wait, but]
  strength: [0.5, 1.0]
  percentile: [85, 90]
"""


def run(path: Path, engine: Engine | None = None, **orders: Any) -> Campaign:
    folder = SweepFolder(path.parent / "out")
    resolver = Resolver(read_spec(path), path.parent)
    return execute(folder, resolver, engine or local_engine(here), Orders(**orders))


def tables(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("leaderboard.csv", "deltas.csv")}


def test_work_that_configs_share_is_done_once(tmp_path: Path) -> None:
    campaign = run(write_sweep(tmp_path, GRID))
    works = [work.partition(":")[0] for work in works_of(tmp_path / "log.txt")]
    # 16 configs in 8 runs (two layers each); labels and strengths are fitted, percentiles are not
    assert len(campaign.members) == 16 and len(campaign.runs) == 8
    assert {stage: works.count(stage) for stage in ("read", "fit", "judge", "late")} == {
        "read": 1,
        "fit": 4,
        "judge": 8,
        "late": 0,
    }
    big = [run.path / "data/states/big.txt" for run in _runs(tmp_path)]
    assert len({path.stat().st_ino for path in big}) == 1, "the states are on disk once"
    fits = {(run.path / "data/fit.txt").read_text() for run in _runs(tmp_path)}
    assert len(fits) == 4


def test_what_is_done_never_runs_again(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, GRID)
    write_tables(run(path))
    works, first = works_of(tmp_path / "log.txt"), tables(tmp_path / "out")
    journal = (tmp_path / "out" / "journal.jsonl").read_bytes()
    write_tables(run(path))
    assert works_of(tmp_path / "log.txt") == works
    assert (tmp_path / "out" / "journal.jsonl").read_bytes() == journal
    assert tables(tmp_path / "out") == first


def test_another_value_of_an_axis_runs_only_what_is_new(tmp_path: Path) -> None:
    run(write_sweep(tmp_path, "axes: {label: [wait], strength: [1.0]}"))
    run(write_sweep(tmp_path, "axes: {label: [wait], strength: [1.0, 2.0]}"))
    works = [work.partition(":")[0] for work in works_of(tmp_path / "log.txt")]
    assert works == ["read", "fit", "judge", "fit", "judge"]


def test_a_changed_base_config_runs_again(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, "axes: {label: [wait]}")
    run(path)
    (tmp_path / "base.yaml").write_text(f"log: {tmp_path / 'log.txt'}\npercentile: 50\n")
    run(path)
    works = [work.partition(":")[0] for work in works_of(tmp_path / "log.txt")]
    assert works == ["read", "fit", "judge", "judge"], "what does not depend on it is kept"


def test_a_killed_sweep_goes_on_where_it_stopped_and_ends_with_the_same_bytes(
    tmp_path: Path,
) -> None:
    path = write_sweep(tmp_path, GRID + "set: {pause: 0.2}\n")
    out, log = tmp_path / "out", tmp_path / "log.txt"
    write_tables(run(path))
    whole = tables(out)
    shutil.rmtree(out)
    log.unlink()
    child = _fork(lambda: run(path))
    _wait_until(lambda: len(_done(out)) >= 3 and works_of(log)[-1].startswith("fit"))
    assert is_alive(out / ".lock")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    finished = _done(out)
    assert not is_alive(out / ".lock") and 3 <= len(finished) < 8
    ledgers = {name: _ledger(out, name) for name in finished}
    told = status_lines(plan_campaign(SweepFolder(out), Resolver(read_spec(path), path.parent)))
    assert any(line.startswith("stopped") for line in told)
    write_tables(run(path))
    assert tables(out) == whole
    assert {name: _ledger(out, name) for name in finished} == ledgers, "none ran again"
    starts = [line["run"] for line in _journal(out) if line["event"] == "start"]
    assert all(starts.count(name) == 1 for name in finished)


def test_one_process_works_on_a_sweep(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, "axes: {label: [wait]}")
    with exclusive(tmp_path / "out" / ".lock"), pytest.raises(Busy):
        run(path)
    assert not works_of(tmp_path / "log.txt")


def test_a_config_that_fails_ends_the_sweep_or_lets_the_others_run(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, "axes: {fault: [data, ''], label: [a, b]}")
    with pytest.raises(DataError, match=r"run \w{12} fault=data label=a: label: nothing to fit"):
        run(path)
    assert len(_done(tmp_path / "out")) == 0
    campaign = run(path, go_on=True)
    assert len(_done(tmp_path / "out")) == 2
    told = status_lines(campaign)
    assert told[0] == "2 of 4 runs done, 2 left, 2 failed"
    assert sum("nothing to fit" in line for line in told) == 2
    fits = [work for work in works_of(tmp_path / "log.txt") if work.startswith("fit")]
    # what is wrong about a config is tried once per call, and not again
    assert len(fits) == 1 + 2 + 2


@pytest.mark.parametrize(("fault", "tries"), [("disk", 2), ("bug", 3)])
def test_a_failure_of_the_machine_is_tried_again(fault: str, tries: int, tmp_path: Path) -> None:
    path = write_sweep(tmp_path, f"axes: {{fault: [{fault}]}}")
    campaign = run(path, retries=2, go_on=True)
    fits = [work for work in works_of(tmp_path / "log.txt") if work.startswith("fit")]
    assert len(fits) == tries
    assert [line["attempt"] for line in _journal(tmp_path / "out") if "attempt" in line] == list(
        range(1, tries + 1)
    )
    assert bool(campaign.failure(campaign.runs[0])) == (fault == "bug")
    with pytest.raises(StorageError, match="no error of ours"):
        run(write_sweep(tmp_path / "again", "axes: {fault: [bug]}"), retries=0)


def test_at_most_so_many_are_run_in_one_call(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, GRID)
    for done in (3, 6, 8):
        campaign = run(path, most=3)
        assert sum(map(campaign.is_done, campaign.runs)) == done
    left = plan_lines(plan_campaign(campaign.folder, campaign.resolver), estimate=False)
    assert "done     8 of 8 runs" in left


def test_the_plan_counts_shared_work_once_and_knows_times_after_a_pilot(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, GRID + "set: {pause: 0.2}\n")
    resolver = Resolver(read_spec(path), path.parent)
    lines = plan_lines(plan_campaign(SweepFolder(tmp_path / "out"), resolver), estimate=False)
    assert "16 combinations, 16 distinct configs (0 duplicates dropped) in 8 runs" in lines[0]
    assert [line.split()[:3] for line in lines[3:6]] == [
        ["read", "1", "8"],
        ["fit", "4", "8"],
        ["judge", "8", "8"],
    ]
    assert "not known" in lines[-1]
    campaign = run(path, most=1)
    lines = plan_lines(campaign, estimate=False)
    assert [line.split()[:3] for line in lines[3:6]] == [
        ["read", "0", "7"],
        ["fit", "3", "7"],
        ["judge", "7", "7"],
    ]
    assert lines[-1].startswith("time     0.0 min, from the runs so far")


def test_no_two_runs_of_a_wave_would_do_the_same_work(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, GRID)
    resolver = Resolver(read_spec(path), path.parent)
    campaign = plan_campaign(SweepFolder(tmp_path / "out"), resolver)
    assert len(next_wave(campaign, campaign.runs)) == 1, "all wait for the one reading"
    campaign = run(path, most=1)
    left = [each for each in campaign.runs if not campaign.is_done(each)]
    wave = next_wave(campaign, left)
    fits = [each.keys["fit"] for each in wave]
    assert len(set(fits)) == len(fits) == 3 + 1


def test_a_worker_that_is_lost_with_a_run_leaves_the_others(tmp_path: Path) -> None:
    def loses(work: Work) -> Iterator[tuple[int, Any]]:
        last = work.keys[-1] if len(work.keys) > 1 else -1
        for key in work.keys:
            if key != last:
                yield key, work.function(here(), *work.arguments(key))
        if last >= 0:
            work.arguments(last)
            raise PartialFailure(f"run {last}", found="3 workers died with it")

    campaign = run(write_sweep(tmp_path, "axes: {label: [a, b, c, d]}"), loses, go_on=True)
    assert sum(map(campaign.is_done, campaign.runs)) == 3
    assert ["workers died" in campaign.failure(each) for each in campaign.runs].count(True) == 1


def test_an_outcome_is_all_that_a_worker_gives(tmp_path: Path) -> None:
    seen: list[Outcome] = []

    def through_bytes(work: Work) -> Iterator[tuple[int, Any]]:
        for key, outcome in local_engine(here)(replace(work, arguments=work.arguments)):
            seen.append(pickle.loads(pickle.dumps(outcome)))
            yield key, seen[-1]

    campaign = run(
        write_sweep(tmp_path, "axes: {label: [wait], wire: [true, false]}"), through_bytes
    )
    assert [len(outcome.tripped) for outcome in seen] == [0, 1]
    flagged = [entry for entry in campaign.entries() if entry.tripped]
    assert len(flagged) == 1


def test_a_later_stage_crosses_the_shortlist_and_runs_only_what_is_new(tmp_path: Path) -> None:
    path = write_sweep(
        tmp_path,
        """
axes:
  label: [wait, but]
  strength: [0.5, 2.0, 1.0]
  seed: [0, 1]
replicates: [seed]
then:
  - keep: 1
    axes: {percentile: [90, 80]}
""",
    )
    first = run(path, most=12)
    assert len(first.phases) == 2 and first.waiting == 0, "planned as soon as the first has ended"
    campaign = run(path)
    second = campaign.phases[1]
    # 2 labels x the strongest x both seeds x 2 percentiles, of which 90 is what there was
    assert {member.setting["strength"] for member in second.all.members} == {"2.0"}
    assert (second.all.crossed, len(second.all.members), len(second.runs)) == (8, 8, 4)
    works = [work.partition(":")[0] for work in works_of(tmp_path / "log.txt")]
    assert (works.count("read"), works.count("fit"), works.count("judge")) == (1, 12, 16)
    write_tables(campaign)
    manifest = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(line)["stage"] for line in manifest] == [1] * 12 + [2] * 8
    settings = [entry.setting for entry in campaign.entries() if entry.setting["strength"] == "2.0"]
    assert sorted(each.get("percentile", "") for each in settings) == ["80", "80", "90", "90"]


def test_a_later_stage_waits_until_every_config_has_ended(tmp_path: Path) -> None:
    text = "axes: {label: [a, b, c]}\nthen: [{keep: 1, axes: {percentile: [80]}}]\n"
    campaign = run(write_sweep(tmp_path, text), most=2)
    assert len(campaign.phases) == 1 and campaign.waiting == 1
    assert any("1 more stages" in line for line in plan_lines(campaign, estimate=False))


HOSTILE = [
    "../../escape",
    "/tmp/absolute",
    "a\nb",
    "-rf",
    "CON",
    "x" * 900,
    "<b>&",
    "\u202eevil",
    "=cmd",
]


def test_hostile_names_and_values_never_become_paths(tmp_path: Path) -> None:
    named = json.dumps({name: {"label": name} for name in HOSTILE})
    path = write_sweep(tmp_path / "here", f'axes: {{"../../axis": {named}}}')
    campaign = run(path)
    write_tables(campaign)
    assert sum(map(campaign.is_done, campaign.runs)) == len(HOSTILE)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["here"]
    made = {each.name for each in (tmp_path / "here" / "out" / "runs" / "toy").iterdir()}
    ids = {each.id for each in campaign.runs}
    assert made - {".lock", ".counter"} == ids and all(len(name) == 12 for name in ids)
    board = (tmp_path / "here" / "out" / "leaderboard.csv").read_text()
    assert "'=cmd" in board


def _runs(folder: Path) -> list[Any]:
    return list_runs(folder / "out" / "runs", "toy")


def _journal(out: Path) -> list[dict[str, Any]]:
    return list(read_journal(out / "journal.jsonl"))


def _done(out: Path) -> list[str]:
    return [line["run"] for line in _journal(out) if line["event"] == "done"]


def _ledger(out: Path, name: str) -> bytes:
    return (out / "runs" / "toy" / name / "stages.jsonl").read_bytes()


def _fork(job: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            job()
        os._exit(1)
    return child


def _wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
