from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer

from augury.cli.app import app

HEAVY = ("torch", "transformers", "sklearn", "scipy", "plotly", "matplotlib", "polars")


def augury(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "augury", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


@pytest.mark.parametrize("statement", ["import augury", "import augury.cli"])
def test_importing_loads_nothing_heavy(statement: str) -> None:
    code = f"import sys; {statement}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_verb_has_help_and_stands_in_the_docs() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        for verb in [name, *(f"{name} {sub}" for sub in getattr(command, "commands", {}))]:
            assert augury(*verb.split(), "--help").returncode == 0
            assert f"`augury {verb}" in docs, f"docs/commands.md does not mention: augury {verb}"
        assert command.help or command.short_help


def test_an_unknown_study_is_one_line_and_exit_2(tmp_path: Path) -> None:
    done = augury("run", "backtracking-leg", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip().startswith("error[2] ") and len(done.stderr.splitlines()) == 1
    assert "backtracking-lag" in done.stderr


def test_a_wrong_key_is_exit_78_and_names_the_nearest(tmp_path: Path) -> None:
    done = augury("run", "backtracking-lag", "-o", "targets.horizon=[4]", folder=tmp_path)
    assert done.returncode == 78 and "horizons" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "runs").exists()


def test_a_missing_config_is_exit_66(tmp_path: Path) -> None:
    done = augury("run", "backtracking-lag", "-c", "nowhere.yaml", folder=tmp_path)
    assert done.returncode == 66 and "nowhere.yaml" in done.stderr


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    done = augury("run", "backtracking-lag", "--dry-run", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    stages = ["traces", "split", "activations", "probes", "evaluation", "figures", "report"]
    assert [line.split()[0] for line in done.stdout.splitlines()] == stages
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_of_one_stage_knows_what_the_real_one_would_refuse(tmp_path: Path) -> None:
    asked = ["run", "backtracking-lag", "--dry-run", "--stage"]
    done = augury(*asked, "traces", folder=tmp_path)
    assert done.returncode == 0 and done.stdout.split()[:3] == ["traces", "to", "run"]
    assert len(done.stdout.splitlines()) == 1
    done = augury(*asked, "trace", folder=tmp_path)
    assert done.returncode == 2 and "traces, split" in done.stderr


def test_control_characters_never_reach_the_terminal(tmp_path: Path) -> None:
    done = augury("run", "backtracking-lag", "-c", "a\x1b[31mb.yaml", folder=tmp_path)
    assert "\x1b" not in done.stderr and done.returncode == 66


def test_the_latest_run_of_none_is_missing(tmp_path: Path) -> None:
    done = augury("run", "backtracking-lag", "--run", "latest", folder=tmp_path)
    assert done.returncode == 66


def test_a_foreign_file_is_judged_and_a_wrong_column_is_one_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    label = rng.random(400) < 0.3
    rows = {"q": np.arange(400), "right": label.astype(int), "s": label + rng.normal(size=400)}
    pl.DataFrame(rows).write_parquet(tmp_path / "saved.parquet")
    asked = ["evaluate", "saved.parquet", "--group", "q", "--label", "right", "--score"]
    done = augury(*asked, "s", "--out", "judged", "-o", "draws=100", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "predictive beyond baselines" in done.stdout
    assert (tmp_path / "judged" / "report.html").is_file()
    done = augury(*asked, "ss", folder=tmp_path)
    assert done.returncode == 65 and len(done.stderr.splitlines()) == 1
    assert "did you mean 's'" in done.stderr


def test_deferrals_are_planned_and_a_wrong_objective_is_exit_78(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    label = rng.random(400) < 0.3
    rows = {"q": np.arange(400), "right": label, "s": label + rng.normal(size=400)}
    pl.DataFrame(rows).write_parquet(tmp_path / "saved.parquet")
    asked = ["plan-deferrals", "saved.parquet", "--group", "q", "--label", "right", "--score", "s"]
    done = augury(*asked, "-o", "deferral_budget=0.3", "--out", "plan.json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert plan["groups"]["all"]["validation"]["deferral"] <= 0.3 == plan["limit"]
    done = augury(*asked, "-o", "objective=both", folder=tmp_path)
    assert done.returncode == 78 and "'budget' or 'error'" in done.stderr


def test_no_command_takes_more_than_seven_parameters() -> None:
    group = typer.main.get_command(app)
    for command in group.commands.values():  # type: ignore[attr-defined]
        for verb in getattr(command, "commands", {"": command}).values():
            if (command.name, verb.name) == ("introspection", "collect"):
                continue  # it has every flag of the first version
            named = [one.name for one in verb.params if one.name != "help"]
            assert len(named) <= 7, f"{verb.name}: {named}"


def test_numbers_are_judged_with_and_without_what_the_baseline_explains(tmp_path: Path) -> None:
    """The score knows nothing but the baseline, so nothing of the residual."""
    rng = np.random.default_rng(0)
    text = rng.normal(size=900)
    rows = {
        "q": np.repeat(np.arange(90), 10),
        "importance": 2 * text + rng.normal(size=900),
        "s": text + 0.1 * rng.normal(size=900),
        "text": text,
    }
    pl.DataFrame(rows).write_parquet(tmp_path / "saved.parquet")
    asked = ["evaluate", "saved.parquet", "--group", "q", "--label", "importance", "--score", "s"]
    numbers = [*asked, "-o", "continuous=true", "-o", "baselines=text", "-o", "draws=100"]
    done = augury(*numbers, folder=tmp_path)
    assert done.returncode == 0 and "predictive, explained by text" in done.stdout, done.stderr
    done = augury(*numbers, "-o", "residual=true", folder=tmp_path)
    assert done.returncode == 0 and "not predictive" in done.stdout, done.stderr
    assert "leaves over of the label" in done.stdout
    done = augury(*asked, "-o", "residual=true", folder=tmp_path)
    assert done.returncode == 78 and "residual needs continuous=true" in done.stderr


def test_columns_for_a_run_are_a_usage_error(tmp_path: Path) -> None:
    done = augury("evaluate", "saved", "--group", "q", folder=tmp_path)
    assert done.returncode == 2 and "judged with its own settings" in done.stderr
