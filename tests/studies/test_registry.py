from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from augury.errors import MissingInput, UsageError
from augury.studies.registry import STUDIES, find_study, study_of, study_reading


def started(root: Path, study: str, name: str, second: int) -> Path:
    recipe = find_study(study)
    run = recipe.start(root, recipe.read_config(None, ()), name)
    facts = json.loads(run.facts_path.read_text())
    facts["created"] = f"2026-01-01T00:00:{second:02d}Z"
    run.facts_path.write_text(json.dumps(facts))
    return run.path


def test_a_run_is_found_by_name_path_or_as_the_latest_of_all_studies(tmp_path: Path) -> None:
    one = started(tmp_path, "next-token", "one", 5)
    started(tmp_path, "backtracking-lag", "two", 3)
    assert study_of(tmp_path, "one") == study_of(tmp_path, "latest") == "next-token"
    assert study_of(tmp_path, "two") == "backtracking-lag"
    assert study_of(Path("elsewhere"), str(one) + os.sep) == "next-token"
    started(tmp_path, "backtracking-lag", "one", 9)
    assert study_of(tmp_path, "latest") == "backtracking-lag"
    with pytest.raises(UsageError, match=r"name its folder: .*backtracking-lag"):
        study_of(tmp_path, "one")


def test_an_unknown_run_is_told_with_the_runs_of_all_studies(tmp_path: Path) -> None:
    for name in ("nothing", "latest"):
        with pytest.raises(MissingInput, match="there is none yet"):
            study_of(tmp_path, name)
    started(tmp_path, "next-token", "one", 5)
    started(tmp_path, "thought-anchors", "two", 3)
    with pytest.raises(MissingInput, match="next-token/one, thought-anchors/two"):
        study_of(tmp_path, "nothing")
    assert study_of(tmp_path, str(tmp_path / "nothing")) in STUDIES


@pytest.mark.parametrize("study", STUDIES)
def test_a_config_names_its_study_by_what_it_says_even_with_a_fault(study: str) -> None:
    path = find_study(study).default_config()
    assert study_reading(path, ()) == study
    assert study_reading(path, ["model.nmae=x"]) == study


def test_a_shipped_config_names_its_study_and_a_missing_one_is_missing() -> None:
    assert study_reading(Path("qwen-14b-correct-full"), ()) == "thought-anchors"
    assert study_reading(Path("gemma-3-270m"), ()) == "next-token"
    with pytest.raises(MissingInput, match=r"nowhere\.yaml"):
        study_reading(Path("nowhere.yaml"), ())


def test_a_shipped_config_is_named_without_its_path_and_a_file_goes_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = find_study("thought-anchors")
    shipped = study.read_config(study.default_config().with_name("labels.yaml"), ())
    assert study.read_config(Path("labels"), ()) == shipped != study.read_config(None, ())
    with pytest.raises(MissingInput, match=r"or one of .*labels.*qwen-14b-correct-full"):
        study.read_config(Path("label"), ())
    with pytest.raises(MissingInput, match=r"nowhere/labels"):
        study.read_config(Path("nowhere/labels"), ())
    monkeypatch.chdir(tmp_path)
    Path("labels").write_text("activations: true\n")
    assert study.read_config(Path("labels"), ()).activations
