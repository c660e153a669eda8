from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from augury.config import Config
from augury.errors import Busy, CheckFailed, DataError, UsageError
from augury.runs.atomic import temporary_beside, write_text
from augury.runs.folder import Run, create_run, stored_config_text, stored_facts
from augury.runs.lock import exclusive
from augury.runs.progress import quiet
from augury.runs.stages import Stage, plan_stages, run_stages


class Settings(Config):
    count: int = 2
    l2: float = 1.0
    colour: str = "blue"


@dataclass
class Study:
    """Three stages in a row, which note when they work."""

    worked: list[str] = field(default_factory=list)

    def stages(self) -> tuple[Stage[Settings], ...]:
        return (
            Stage("traces", self._traces, lambda c: {"count": c.count}, (), ("data/t.txt",)),
            Stage(
                "probes",
                self._probes,
                lambda c: {"probes": {"l2": c.l2}},
                ("traces",),
                ("probes", "results/r.csv"),
            ),
            Stage("figures", self._figures, lambda c: {"colour": c.colour}, ("probes",)),
        )

    def _traces(self, run: Run, config: Settings) -> Mapping[str, object]:
        self.worked.append("traces")
        write_text(run.data / "t.txt", "trace\n" * config.count)
        return {"traces": config.count}

    def _probes(self, run: Run, config: Settings) -> None:
        self.worked.append("probes")
        traces = (run.path / "data/t.txt").read_text().count("\n")
        write_text(run.probes / "p.txt", f"{traces / config.l2}")
        write_text(run.results / "r.csv", f"{traces},{config.l2}\n")

    def _figures(self, run: Run, config: Settings) -> Mapping[str, object]:
        self.worked.append("figures")
        return {"colour": config.colour, "size": (1, 2)}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return create_run(tmp_path, "study", Settings(), name="a")


@pytest.fixture(autouse=True)
def silence() -> Any:
    with quiet():
        yield


def _whys(run: Run, study: Study, config: Settings | None = None) -> dict[str, str]:
    plan = plan_stages(run, config or Settings(), study.stages())
    assert all((stage.status == "done") == (stage.why == "up to date") for stage in plan)
    return {stage.name: stage.why for stage in plan}


DONE = dict.fromkeys(["traces", "probes", "figures"], "up to date")


def test_stages_run_once_in_order_and_are_then_skipped_with_their_stored_facts(run: Run) -> None:
    study = Study()
    assert _whys(run, study) == dict.fromkeys(DONE, "never ran")
    first = run_stages(run, Settings(), study.stages())
    assert study.worked == ["traces", "probes", "figures"]
    assert [result.skipped for result in first] == [False] * 3
    assert _whys(run, study) == DONE
    second = run_stages(run, Settings(), study.stages())
    assert study.worked == ["traces", "probes", "figures"]
    assert [result.skipped for result in second] == [True] * 3
    assert [result.facts for result in second] == [result.facts for result in first]
    assert second[2].facts == {"colour": "blue", "size": [1, 2]}
    assert [result.seconds for result in second] == [result.seconds for result in first]


@pytest.mark.parametrize(
    ("change", "again", "why"),
    [
        ({"count": 3}, ["traces", "probes", "figures"], "config changed: count: stored 2 / now 3"),
        ({"l2": 2.0}, ["probes", "figures"], "config changed: probes.l2: stored 1.0 / now 2.0"),
        ({"colour": "red"}, ["figures"], "config changed: colour: stored 'blue' / now 'red'"),
    ],
)
def test_a_changed_config_runs_exactly_the_stages_that_depend_on_it(
    run: Run, change: dict[str, Any], again: list[str], why: str
) -> None:
    study = Study()
    run_stages(run, Settings(), study.stages())
    config = Settings(**change)
    whys = _whys(run, study, config)
    assert whys[again[0]] == why
    assert [name for name in whys if whys[name] != "up to date"] == again
    for before, after in itertools.pairwise(again):
        assert whys[after] == f"input stage '{before}' will run again"
    study.worked.clear()
    run_stages(run, config, study.stages())
    assert study.worked == again
    assert _whys(run, study, config) == DONE
    assert stored_config_text(run).count(str(next(iter(change.values())))) == 1


def _remove(run: Run) -> None:
    (run.path / "results/r.csv").unlink()


def _edit(run: Run) -> None:
    path = run.path / "results/r.csv"
    path.write_text(path.read_text().replace("2", "9", 1))


def _add_a_file(run: Run) -> None:
    (run.probes / "extra").write_text("x")


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (_remove, "output results/r.csv is missing"),
        (_edit, "output results/r.csv changed since (checksum)"),
        (_add_a_file, "output probes changed since (files: stored 1 / now 2)"),
    ],
)
def test_an_output_that_is_not_intact_runs_its_stage_and_what_reads_it(
    run: Run, damage: Callable[[Run], None], why: str
) -> None:
    study = Study()
    run_stages(run, Settings(), study.stages())
    damage(run)
    again = "input stage 'probes' will run again"
    assert _whys(run, study) == {"traces": "up to date", "probes": why, "figures": again}


def test_a_plan_writes_nothing(tmp_path: Path) -> None:
    absent = Run(tmp_path / "absent")
    assert {stage.why for stage in plan_stages(absent, Settings(), Study().stages())} == {
        "never ran"
    }
    assert list(tmp_path.iterdir()) == []


def test_only_runs_that_stage_and_leaves_its_readers_to_run_again(run: Run) -> None:
    study = Study()
    run_stages(run, Settings(), study.stages())
    study.worked.clear()
    (planned,) = plan_stages(run, Settings(), study.stages(), only="probes")
    assert (planned.name, planned.status, planned.why) == ("probes", "to run", "asked for by name")
    (result,) = run_stages(run, Settings(), study.stages(), only="probes")
    assert (result.name, result.skipped, study.worked) == ("probes", False, ["probes"])
    assert _whys(run, study) == {**DONE, "figures": "input stage 'probes' ran again since"}


def test_only_is_refused_when_a_stage_that_it_reads_is_not_done(run: Run) -> None:
    study = Study()
    for refuse in (plan_stages, run_stages):
        with pytest.raises(UsageError, match=r"input stage 'traces' is not done \(never ran\)"):
            refuse(run, Settings(), study.stages(), only="probes")
        with pytest.raises(UsageError, match="'nothing'; expected one of: traces, probes, fig"):
            refuse(run, Settings(), study.stages(), only="nothing")
    assert study.worked == []
    run_stages(run, Settings(), study.stages())
    with pytest.raises(UsageError, match="input stage 'probes' is not done"):
        run_stages(run, Settings(count=9), study.stages(), only="figures")


def test_a_failing_stage_keeps_what_was_finished_and_is_taken_up_again(run: Run) -> None:
    study = Study()
    stages = study.stages()

    def fail(run: Run, config: Settings) -> None:
        write_text(run.results / "r.csv", "half")
        raise DataError("row 3", found="nothing")

    broken = Stage("probes", fail, stages[1].inputs, stages[1].after, stages[1].outputs)
    with pytest.raises(DataError, match="row 3"):
        run_stages(run, Settings(), [stages[0], broken, stages[2]])
    assert _whys(run, study) == {
        "traces": "up to date",
        "probes": "did not finish the last time",
        "figures": "never ran",
    }
    run_stages(run, Settings(), stages)
    assert study.worked == ["traces", "probes", "figures"]


def test_outputs_overwritten_by_an_unfinished_run_are_not_trusted_under_the_old_config(
    run: Run,
) -> None:
    study = Study()
    stages = study.stages()
    run_stages(run, Settings(), stages)

    def fail(run: Run, config: Settings) -> None:
        raise DataError("row 3", found="nothing")

    broken = Stage("probes", fail, stages[1].inputs, stages[1].after, stages[1].outputs)
    with pytest.raises(DataError):
        run_stages(run, Settings(l2=5), [stages[0], broken, stages[2]])
    assert _whys(run, study, Settings())["probes"] == "did not finish the last time"


def test_a_stage_that_ends_without_its_output_is_not_done(run: Run) -> None:
    stage: Stage[Settings] = Stage("s", lambda *_: None, lambda _: {}, (), ("results/x.csv",))
    with pytest.raises(CheckFailed, match=r"stage s: it ended without its output results/x\.csv"):
        run_stages(run, Settings(), [stage])
    assert plan_stages(run, Settings(), [stage])[0].status == "to run"


def test_a_death_at_any_moment_ends_after_the_restart_as_if_it_had_not_happened(
    tmp_path: Path, die_at: Any
) -> None:
    def finished(run: Run) -> dict[str, str]:
        names = ("data/t.txt", "probes/p.txt", "results/r.csv")
        return {name: (run.path / name).read_text() for name in names}

    whole = create_run(tmp_path, "study", Settings(), name="whole")
    run_stages(whole, Settings(), Study().stages())
    for k in range(1, 400, 7):
        run = create_run(tmp_path, "study", Settings(), name=f"k{k}")
        died = die_at(lambda run=run: run_stages(run, Settings(), Study().stages()), k)
        before = _whys(run, Study())
        again = Study()
        run_stages(run, Settings(), again.stages())
        assert again.worked == [name for name in before if before[name] != "up to date"]
        assert finished(run) == finished(whole)
        assert not [path for path in run.path.rglob(".augury-tmp-*")]
        if not died:
            return
    pytest.fail("the job never ended")


def test_a_second_process_on_the_same_run_is_told_that_it_is_busy(run: Run) -> None:
    study = Study()
    with exclusive(run.path / ".lock"), pytest.raises(Busy, match=f"process {os.getpid()}"):
        run_stages(run, Settings(), study.stages())
    assert study.worked == []


def test_a_killed_run_frees_its_lock_and_continues(run: Run) -> None:
    child = os.fork()
    if child == 0:

        def hang(run: Run, config: Settings) -> None:
            write_text(run.data / "started", "")
            time.sleep(60)

        run_stages(run, Settings(), [Stage("traces", hang, lambda _: {})])
        os._exit(0)
    deadline = time.monotonic() + 20
    while not (run.path / "data" / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert _whys(run, Study())["traces"] == "did not finish the last time"
    assert len(run_stages(run, Settings(), Study().stages())) == 3


def test_leftovers_of_killed_writers_are_removed_before_the_work(run: Run) -> None:
    temporary_beside(run.data / "x").write_text("half")
    run_stages(run, Settings(), Study().stages())
    assert sorted(path.name for path in run.data.iterdir()) == ["t.txt"]


def test_timings_and_the_config_in_force_are_recorded(run: Run) -> None:
    run_stages(run, Settings(l2=7.5), Study().stages())
    facts = stored_facts(run)
    assert list(facts["timings"]) == ["traces", "probes", "figures"]
    assert "l2: 7.5" in stored_config_text(run)


def test_each_stage_is_announced_with_its_reason(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Undone before `silence` ends, which counts down what it finds.
    with monkeypatch.context() as patch:
        patch.setattr("augury.runs.progress._quiet_depth", 0)
        run_stages(run, Settings(), Study().stages())
        run_stages(run, Settings(colour="red"), Study().stages())
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "traces: never ran"
    assert lines[3:] == ["figures: config changed: colour: stored 'blue' / now 'red'"]


BAD_ORDERS: list[tuple[list[Stage[Settings]], str]] = [
    ([Stage("a", lambda *_: None, lambda _: {}, ("b",))], "it reads 'b'"),
    ([Stage("a", lambda *_: None, lambda _: {})] * 2, "listed twice"),
    ([Stage("a", lambda *_: None, lambda _: {}, (), ("../x",))], "the output '../x'"),
    ([Stage("a", lambda *_: None, lambda _: {}, (), ("/x",))], "the output '/x'"),
]


@pytest.mark.parametrize(("stages", "found"), BAD_ORDERS)
def test_stages_that_cannot_be_run_in_order_are_refused(
    run: Run, stages: list[Stage[Settings]], found: str
) -> None:
    with pytest.raises(UsageError, match=found):
        plan_stages(run, Settings(), stages)
