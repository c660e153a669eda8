from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.runs.test_stages import Settings, Study

from augury.runs.adopt import adopt_stages, stage_keys
from augury.runs.folder import Run, create_run
from augury.runs.progress import quiet
from augury.runs.stages import Stage, plan_stages, run_stages


@pytest.fixture
def donor(tmp_path: Path) -> Run:
    run = create_run(tmp_path, "study", Settings(), name="donor")
    with quiet():
        run_stages(run, Settings(), Study().stages())
    return run


@pytest.fixture
def taker(tmp_path: Path) -> Run:
    return create_run(tmp_path, "study", Settings(colour="red"), name="taker")


def _worked(run: Run, config: Settings) -> list[str]:
    study = Study()
    with quiet():
        run_stages(run, config, study.stages())
    return study.worked


def test_keys_are_equal_where_the_stage_and_all_above_it_have_equal_inputs() -> None:
    stages = Study().stages()
    first = stage_keys(Settings(), stages)
    assert stage_keys(Settings(), stages) == first
    other = stage_keys(Settings(count=3), stages)
    assert all(other[name] != first[name] for name in first)
    later = stage_keys(Settings(l2=2.0), stages)
    assert later["traces"] == first["traces"] and later["figures"] != first["figures"]


def test_adopted_stages_are_done_and_the_rest_runs_as_it_would_have(donor: Run, taker: Run) -> None:
    config, stages = Settings(colour="red"), Study().stages()
    taken = adopt_stages(taker, config, stages, {"traces": donor, "probes": donor})
    assert taken == ["traces", "probes"]
    assert (taker.path / "probes/p.txt").read_bytes() == (donor.path / "probes/p.txt").read_bytes()
    assert _worked(taker, config) == ["figures"]
    assert all(each.status == "done" for each in plan_stages(taker, config, stages))


def test_a_stage_is_taken_only_when_those_above_it_are_there(donor: Run, taker: Run) -> None:
    assert adopt_stages(taker, Settings(), Study().stages(), {"probes": donor}) == []
    assert _worked(taker, Settings()) == ["traces", "probes", "figures"]


def test_a_donor_with_other_inputs_or_damaged_outputs_gives_nothing(donor: Run, taker: Run) -> None:
    stages, both = Study().stages(), {"traces": donor, "probes": donor}
    assert adopt_stages(taker, Settings(l2=3.0), stages, both) == ["traces"]
    (donor.path / "results/r.csv").write_text("changed")
    assert adopt_stages(taker, Settings(), stages, both) == []
    (donor.path / "stages.jsonl").write_text("no journal\nat all\n")
    assert adopt_stages(taker, Settings(), stages, both) == []


def test_a_run_that_works_on_what_it_took_leaves_the_donor_as_it_was(
    donor: Run, taker: Run
) -> None:
    big = donor.path / "data/t.txt"
    big.write_bytes(b"trace\n" * 2)
    stages = Study().stages()
    config = Settings(count=400_000)
    source = create_run(donor.path.parents[1], "study", config, name="big")
    assert "traces" in _worked(source, config)
    before = (source.path / "data/t.txt").read_bytes()
    adopt_stages(taker, config, stages, {"traces": source})
    mine = taker.path / "data/t.txt"
    assert mine.stat().st_ino == (source.path / "data/t.txt").stat().st_ino, "no second copy"
    assert _worked(taker, Settings(count=5)) == ["traces", "probes", "figures"]
    assert (source.path / "data/t.txt").read_bytes() == before
    assert all(e.status == "done" for e in plan_stages(source, config, stages))
    shutil.rmtree(taker.path)
    assert (source.path / "data/t.txt").read_bytes() == before


def test_an_empty_folder_is_an_output_too(tmp_path: Path) -> None:
    def makes_nothing(run: Run, config: Settings) -> None:
        (run.path / "none" / "inside").mkdir(parents=True)

    stages = [Stage("empty", makes_nothing, lambda _: {}, outputs=("none",))]
    runs = [create_run(tmp_path, "study", Settings(), name=name) for name in "ab"]
    with quiet():
        run_stages(runs[0], Settings(), stages)
    assert adopt_stages(runs[1], Settings(), stages, {"empty": runs[0]}) == ["empty"]
    assert (runs[1].path / "none").is_dir()


def test_what_a_killed_adoption_left_is_put_right(donor: Run, taker: Run) -> None:
    (taker.path / "probes").mkdir()
    (taker.path / "probes" / "half.txt").write_text("of an earlier try")
    stages = Study().stages()
    assert adopt_stages(taker, Settings(), stages, {"traces": donor, "probes": donor}) == [
        "traces",
        "probes",
    ]
    assert sorted(each.name for each in (taker.path / "probes").iterdir()) == ["p.txt"]
