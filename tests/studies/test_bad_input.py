"""Each fault ends in one line that says where, with the right exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from augury.errors import AuguryError, ConfigError, DataError, MissingInput
from augury.runs.folder import Run
from augury.studies.backtracking_lag.study import STUDY

Chain = dict[str, str]


def chains(count: int = 12) -> list[Chain]:
    return [
        {
            "task_id": f"causal_{i}",
            "problem": f"Why does thing {i} happen?",
            "reasoning_chain": f"First part {i}. Wait, no. So it is {i}.",
            "annotated_chain": (
                f'["initializing"]First part {i}.["end-section"] '
                '["backtracking"]Wait, no.["end-section"] '
                f'["deduction"]So it is {i}.["end-section"]'
            ),
        }
        for i in range(count)
    ]


def attempt(folder: Path, data: list[Chain], *overrides: str) -> AuguryError:
    path = folder / "chains.json"
    path.write_text(json.dumps(data))
    with pytest.raises(AuguryError) as caught:
        config = STUDY.read_config(
            None,
            (
                "traces.source=annotated-chains",
                f"traces.path={path}",
                "traces.limit=null",
                "traces.prompt_style=plain",
                *overrides,
            ),
        )
        run = STUDY.start(folder / "runs", config, "bad")
        STUDY.execute(run, config, only=None)
    return caught.value


def test_an_empty_chain_names_its_row(tmp_path: Path) -> None:
    data = chains()
    data[4] |= {"reasoning_chain": "", "annotated_chain": ""}
    error = attempt(tmp_path, data)
    assert error.code == DataError.code and "chains.json:5:reasoning_chain" in str(error)


def test_a_chain_longer_than_the_context_names_the_ways_out(tmp_path: Path) -> None:
    data = chains()
    long = " ".join(f"word{i}" for i in range(900))
    data[2] |= {
        "reasoning_chain": long,
        "annotated_chain": f'["deduction"]{long}["end-section"]',
    }
    error = attempt(tmp_path, data, "traces.context=128")
    assert error.code == 65 and "128" in str(error) and "window" in str(error)


def test_duplicate_ids_name_both_rows(tmp_path: Path) -> None:
    data = chains()
    data[7]["task_id"] = data[3]["task_id"]
    error = attempt(tmp_path, data)
    assert error.code == 65 and "causal_3" in str(error)


def test_a_label_that_never_occurs_lists_those_that_do(tmp_path: Path) -> None:
    error = attempt(tmp_path, chains(), "targets.labels=[backtraking]")
    assert error.code == 65 and "backtraking" in str(error) and "deduction (12)" in str(error)


def test_one_group_cannot_be_split(tmp_path: Path) -> None:
    data = [chain | {"problem": "The same question?"} for chain in chains()]
    error = attempt(tmp_path, data)
    assert error.code == 65 and "group" in str(error)


def test_an_unknown_architecture_says_what_it_found(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text(json.dumps({"model_type": "nobodys"}))
    (model / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    error = attempt(tmp_path, chains(), f"model.name={model}")
    assert error.code in (ConfigError.code, MissingInput.code)


def test_a_missing_model_folder_names_the_path(tmp_path: Path) -> None:
    error = attempt(tmp_path, chains(), "model.name=./no/such/model")
    assert error.code == MissingInput.code and "no/such/model" in str(error)


def test_a_wrong_config_key_names_the_nearest(tmp_path: Path) -> None:
    error = attempt(tmp_path, chains(), "targets.horizon=[4]")
    assert error.code == ConfigError.code and "horizons" in str(error)


def test_a_missing_environment_variable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AUGURY_CHAINS", raising=False)
    error = attempt(tmp_path, chains(), "traces.path=$AUGURY_CHAINS/x.json")
    assert error.code == MissingInput.code and "AUGURY_CHAINS" in str(error)


def test_finished_stages_survive_a_later_failure(tmp_path: Path) -> None:
    path = tmp_path / "chains.json"
    path.write_text(json.dumps(chains()))
    common = ("traces.source=annotated-chains", f"traces.path={path}", "traces.limit=null")
    config = STUDY.read_config(None, (*common, "reading.sites=[resid.99]"))
    run = STUDY.start(tmp_path / "runs", config, "half")
    with pytest.raises(ConfigError, match=r"resid\.99"):
        STUDY.execute(run, config)
    mended = STUDY.read_config(None, (*common, "reading.sites=[resid.0]"))
    plan = {p.name: p.status for p in STUDY.plan(Run(run.path), mended)}
    assert plan["traces"] == "done" and plan["activations"] == "to run"
