from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.rollout_tree import MODEL, SPLIT, change, write_problem

from augury.errors import ConfigError, DataError, MissingInput
from augury.traces.sources.math_rollouts import (
    SENTENCE,
    chunk_places,
    problem_trace,
    read_problem,
    read_rollouts,
    text_behind,
)
from augury.traces.sources.rollout_files import FolderRollouts, HubRollouts, Setting

SETTING = Setting(MODEL, SPLIT)


@pytest.fixture
def files(tmp_path: Path) -> FolderRollouts:
    write_problem(tmp_path, 11)
    return FolderRollouts(tmp_path, SETTING)


def folder(files: FolderRollouts) -> Path:
    return files.root / SETTING.name / "problem_11"


def test_every_real_sentence_tiles_the_thinking_and_reads_back(augury_data: Path) -> None:
    setting = Setting("deepseek-r1-distill-qwen-14b", "correct_base_solution")
    real = FolderRollouts(augury_data / "thought_anchors", setting)
    ids = real.problem_ids()
    assert ids == sorted(ids) and len(ids) == 10
    total = 0
    for number in ids:
        problem = read_problem(real, number)
        trace = problem_trace(problem, setting.name)
        places = chunk_places(problem)
        assert not [place.fault for place in places if place.fault]
        at = len(problem.prompt)
        for place, chunk in zip(places, problem.chunks, strict=True):
            assert trace.text[at : place.start].strip() == ""
            assert trace.text[place.start : place.end].split() == chunk.text.split()
            at = place.end
        assert trace.text[at:].lstrip().startswith("</think>")
        total += len(places)
    assert total == 1390


def test_sentences_are_looked_for_behind_the_prompt(files: FolderRollouts) -> None:
    """The first version searched from the beginning of the prompt, which may say the same."""
    base = folder(files) / "base_solution.json"
    prompt = json.loads(base.read_text())["prompt"]
    change(base, None, prompt=f"alpha of problem 11 step 0. {prompt}")
    problem = read_problem(files, 11)
    assert chunk_places(problem)[0].start == len(problem.prompt)


def test_spans_carry_tags_and_the_group_is_the_problem(files: FolderRollouts) -> None:
    problem = read_problem(files, 11)
    trace = problem_trace(problem, "here")
    again = problem_trace(problem, "elsewhere")
    assert trace.group == again.group and trace.id != again.id
    assert [s.label for s in trace.spans[:4]] == [
        SENTENCE,
        "problem_setup",
        SENTENCE,
        "plan_generation",
    ]
    assert trace.origin.model == MODEL


def test_a_tree_may_have_the_level_of_the_sampling(files: FolderRollouts, tmp_path: Path) -> None:
    other = tmp_path / "hub"
    shutil.copytree(files.root / SETTING.name, other / MODEL / "temperature_0.6_top_p_0.95" / SPLIT)
    assert read_problem(FolderRollouts(other, SETTING), 11).chunks == read_problem(files, 11).chunks


@pytest.mark.parametrize(
    ("file", "row", "fields", "told"),
    [
        ("chunks_labeled.json", 2, {"accuracy": 1.2}, r"chunks_labeled.json:2:accuracy: 1.2"),
        ("chunks_labeled.json", 2, {"accuracy": True}, r":2:accuracy: True"),
        ("chunks_labeled.json", 5, {"chunk_idx": 6}, r":5:chunk_idx: 6"),
        (
            "chunks_labeled.json",
            4,
            {"counterfactual_importance_accuracy": None},
            r":4:counterfactual_importance_accuracy: None",
        ),
        ("base_solution.json", None, {"is_correct": "yes"}, r"base_solution.json:is_correct"),
        ("problem.json", None, {"problem": " "}, r"problem.json:problem: empty"),
    ],
)
def test_a_bad_field_is_named(
    files: FolderRollouts, file: str, row: int | None, fields: dict, told: str
) -> None:
    change(folder(files) / file, row, **fields)
    with pytest.raises(DataError, match=told):
        read_problem(files, 11)


def test_a_sentence_that_is_not_in_the_solution_is_named(files: FolderRollouts) -> None:
    change(folder(files) / "chunks_labeled.json", 3, chunk="Never said.")
    with pytest.raises(DataError, match=r"chunks_labeled.json:3:chunk: 'Never said\.'"):
        problem_trace(read_problem(files, 11), "here")


def test_text_between_two_sentences_that_is_in_neither_is_named(files: FolderRollouts) -> None:
    path = folder(files) / "chunks_labeled.json"
    change(path, 3, chunk=read_problem(files, 11).chunks[3].text[1:])
    with pytest.raises(DataError, match=r"chunks_labeled.json:3:chunk: .*text before it is in no"):
        problem_trace(read_problem(files, 11), "here")


def test_text_behind_the_last_sentence_is_found(files: FolderRollouts) -> None:
    problem = read_problem(files, 11)
    assert text_behind(problem) == ""
    shorter = replace(problem.chunks[-1], text=problem.chunks[-1].text[:-3])
    assert text_behind(replace(problem, chunks=(*problem.chunks[:-1], shorter))) == "13."
    assert text_behind(replace(problem, chunks=problem.chunks[:-1])) == problem.chunks[-1].text


def test_a_rollout_that_failed_counts_as_unanswered(files: FolderRollouts) -> None:
    path = folder(files) / "chunk_0" / "solutions.json"
    before = read_rollouts(files, 11, 0)
    path.write_text(json.dumps([{"error": "timeout"}, *json.loads(path.read_text())]))
    after = read_rollouts(files, 11, 0)
    assert after[1:] == before and not after[0].answered


def test_a_hub_revision_must_be_a_commit_and_names_stay_in_the_tree() -> None:
    with pytest.raises(ConfigError, match="commit of 40"):
        HubRollouts(SETTING, "main")
    assert HubRollouts(SETTING, "a" * 40).revision == "a" * 40
    with pytest.raises(ConfigError, match="one folder"):
        Setting("../secret", SPLIT)


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(MissingInput, match=r"problem_330/problem\.json"):
        HubRollouts(SETTING, "0" * 40).path(330, "problem.json")


def test_a_missing_setting_names_both_places(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"neither .*temperature_0.6.* nor tiny-model/correct"):
        FolderRollouts(tmp_path, SETTING).problem_ids()
