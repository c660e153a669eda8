from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.sweeps.toy import works_of, write_sweep
from typer.testing import CliRunner

from augury.cli.app import app
from augury.errors import Busy, MissingInput, PartialFailure
from augury.runs.lock import exclusive


def _augury(*arguments: object) -> Any:
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = write_sweep(tmp_path, "axes: {label: [wait, but], percentile: [80, 90]}")
    return path.rename(path.with_name("mine.yaml"))


def test_plan_and_dry_run_run_nothing(file: Path, tmp_path: Path) -> None:
    for command in (["plan", file, "--no-estimate"], ["plan", file.name, "--no-estimate"]):
        done = _augury("sweep", *command)
        assert done.exit_code == 0 and "4 distinct configs" in done.output
    assert not works_of(tmp_path / "log.txt") and not (tmp_path / "sweeps").exists()


def test_run_status_and_leaderboard_tell_one_story(file: Path, tmp_path: Path) -> None:
    done = _augury("sweep", "run", file, "--max-configs", "2")
    assert done.exit_code == 0 and "2 of 4 runs done, 2 left, 0 failed" in done.output
    status = _augury("sweep", "status", "sweeps/mine").output
    assert "2 of 4 runs done" in status and "stopped" in status
    # the folder stands for its file
    file.unlink()
    (tmp_path / "base.yaml").unlink()
    assert "4 of 4 runs done" in _augury("sweep", "run", "sweeps/mine").output
    board = (tmp_path / "sweeps/mine/leaderboard.csv").read_bytes()
    assert "wait p80" in _augury("sweep", "leaderboard", "sweeps/mine").output
    assert (tmp_path / "sweeps/mine/leaderboard.csv").read_bytes() == board
    assert len([work for work in works_of(tmp_path / "log.txt") if "judge" in work]) == 4


def test_a_touched_tripwire_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_sweep(tmp_path, "axes: {label: [a, b]}\nset: {wire: false}")
    done = _augury("sweep", "run", path)
    assert isinstance(done.exception, PartialFailure) and done.exception.code == 3
    assert str(done.exception).count("touched a tripwire") == 2
    assert "tripped" in done.output


def test_who_comes_second_is_told_and_nothing_is_changed(file: Path, tmp_path: Path) -> None:
    with exclusive(tmp_path / "sweeps/mine/.lock"):
        done = _augury("sweep", "run", file)
    assert isinstance(done.exception, Busy)
    missing = _augury("sweep", "status", tmp_path / "nowhere")
    assert isinstance(missing.exception, MissingInput)


def test_matrix_and_report_tell_the_runs_of_a_sweep(file: Path, tmp_path: Path) -> None:
    _augury("sweep", "run", file)
    page = tmp_path / "page.md"
    page.write_text("# Mine\n<!-- augury:begin matrix -->\n<!-- augury:end matrix -->\n")
    assert _augury("report", "--into", page, "sweeps/mine").exit_code == 0
    text = page.read_text()
    assert text.startswith("# Mine\n") and text.count("resid") == 4
    assert _augury("report", "--into", page, "sweeps/mine").exit_code == 0
    assert page.read_text() == text
    table = tmp_path / "matrix.csv"
    done = _augury("matrix", "sweeps/mine", "--csv", table)
    assert done.exit_code == 0 and "but p80" in done.output
    assert len(table.read_text().splitlines()) == 5
