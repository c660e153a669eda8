from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augury.causal.generation import EditedSample, sample_edited
from augury.cli.state_transition import app
from augury.errors import CheckFailed, ConfigError, UsageError
from augury.models.generate import Generation, sample
from augury.models.load import LoadedModel, load_model
from augury.runs.folder import Run
from augury.studies.state_transition import bench
from augury.studies.state_transition.baseline import decoder, read_baseline
from augury.studies.state_transition.bench import SHELF
from augury.studies.state_transition.conclusion import ANSWERS, answer_h0, answer_h1, answer_h2
from augury.studies.state_transition.config import StateTransitionConfig
from augury.studies.state_transition.generations import sample_key, write_rows
from augury.studies.state_transition.pairs import make_pairs
from augury.studies.state_transition.problems import Prompt, prepare, read_prompts
from augury.studies.state_transition.study import STUDY

SMALL = (
    "dataset.max_examples=60",
    "generation.num_samples_per_prompt=2",
    "generation.chunk=50",
    "ablation.max_examples=12",
    "ablation.random_draws=2",
    "analysis.draws=200",
    "analysis.max_events=60",
    "steering.draws=1",
    "steering.doses=[0.2]",
    "sweeps.scales=[0.5]",
    "sweeps.continuation_scales=[0.0]",
)
SEED_COLUMNS = {
    "backtracking_events.csv": "example_id,sample_id,variant,condition,has_backtracking_strict,"
    "has_backtracking_relaxed,onset_phrase,onset_char,onset_token_in_completion,"
    "onset_token_in_full,onset_token_id,onset_token_text,pred_pos_in_full,predicted_answer,"
    "is_correct,prompt_tokens,completion_tokens",
    "logit_lens.csv": "layer,mean_target_logit_bt,mean_target_logit_control,std_bt,std_control,"
    "n_bt,n_control,control_matching",
    "ablation_importance.csv": "layer,component,delta_wait_logit_mean,delta_wait_logit_std,"
    "n_events",
    "condition_comparison.csv": "variant,condition,total,backtracking_count,backtracking_rate,"
    "accuracy",
    "formatting_summary.csv": "variant,total,backtracking_count,backtracking_rate,accuracy",
    "subset_sweep_results.csv": "total,backtracking_count,backtracking_rate,correct_count,"
    "accuracy,subset_name,scale,num_components",
    "scale_sweep_results.csv": "total,backtracking_count,backtracking_rate,correct_count,"
    "accuracy,subset_name,scale,num_components",
}
SEED_FIGURES = (
    "backtracking_rate_by_variant",
    "backtracking_vs_accuracy",
    "wait_logit_lens_bt_vs_control",
    "ablation_importance_by_layer",
    "backtracking_rate_by_condition",
    "formatting_effect_on_backtracking",
)


@pytest.fixture(scope="module")
def config() -> StateTransitionConfig:
    return STUDY.read_config(None, SMALL)


@pytest.fixture(scope="module")
def run(config: StateTransitionConfig, tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = STUDY.start(tmp_path_factory.mktemp("runs"), config, "small")
    STUDY.execute(made, config)
    return made


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_tables_begin_with_the_columns_of_the_first_version(run: Run) -> None:
    for name, columns in SEED_COLUMNS.items():
        rows = _table(run.path / "analysis" / name)
        assert list(rows[0])[: columns.count(",") + 1] == columns.split(","), name
        assert len(rows[0]) > columns.count(",") + 1
    selected = json.loads((run.path / "analysis/selected_layers.json").read_text())
    assert {"attn", "mlp"} <= set(selected)
    for name in SEED_FIGURES:
        for ending in ("html", "png", "csv"):
            assert (run.figures / f"{name}.{ending}").stat().st_size > 0


@pytest.mark.slow
def test_events_stand_where_their_ids_do_and_all_are_kept(
    run: Run, config: StateTransitionConfig
) -> None:
    rows = {(r.example_id, r.sample_id): r for r in read_baseline(run, config.analysis.variant)}
    prompts = {p.example_id: p for p in read_prompts(run, config.analysis.variant)}
    events = [
        row
        for row in _table(run.path / "analysis/backtracking_events.csv")
        if row["variant"] == config.analysis.variant
    ]
    found = [row for row in events if int(row["onset_token_id"]) >= 0]
    assert len(events) == len(rows) == 120 and found
    for event in found:
        key = int(event["example_id"]), int(event["sample_id"])
        ids = [*prompts[key[0]].ids, *rows[key].token_ids]
        assert ids[int(event["onset_token_in_full"])] == int(event["onset_token_id"])
        assert int(event["pred_pos_in_full"]) == int(event["onset_token_in_full"]) - 1
        assert event["onset_token_text"].strip().lower() in ("wait", "actually", "hold")
        assert (
            rows[key]
            .completion[int(event["onset_char"]) :]
            .lower()
            .startswith(event["onset_token_text"].strip().lower())
        )
    every = _table(run.path / "analysis/all_events.csv")
    assert len(every) > len([e for e in events if e["has_backtracking_strict"] == "true"])


@pytest.mark.slow
def test_lengths_and_ends_are_the_true_ones(run: Run, config: StateTransitionConfig) -> None:
    rows = read_baseline(run, config.analysis.variant)
    assert {row.completion_tokens for row in rows} == {len(row.token_ids) for row in rows}
    assert len({row.completion_tokens for row in rows}) > 20
    assert {row.finish_reason for row in rows} <= {"stop", "length"}


@pytest.mark.slow
def test_hooks_fired_and_edits_that_do_nothing_did_nothing(run: Run) -> None:
    calls = json.loads((run.path / "analysis/hook_debug.json").read_text())["targeted_ablation"]
    assert calls["ablation_calls"] > 0 and calls["skipped_calls"] > 0
    assert set(calls["by_site"].values()) == {calls["ablation_calls"] / len(calls["by_site"])}
    assert all(wire.passed for wire in STUDY.tripwires(run))


@pytest.mark.slow
def test_texts_can_be_written_again_and_a_changed_one_is_noticed(
    run: Run, config: StateTransitionConfig
) -> None:
    assert "the same" in STUDY.verify(run, config)[0]
    path = run.path / "generations" / config.analysis.variant / "baseline.jsonl"
    whole = path.read_text()
    first, rest = whole.split("\n", 1)
    row = json.loads(first)
    row["token_ids"][3] += 1
    path.write_text(json.dumps(row) + "\n" + rest)
    with pytest.raises(CheckFailed, match="problem 0"):
        STUDY.verify(run, config)
    path.write_text(whole)


@pytest.mark.slow
def test_a_second_execution_does_nothing_and_the_report_answers(
    run: Run, config: StateTransitionConfig
) -> None:
    assert {planned.status for planned in STUDY.plan(run, config)} == {"done"}
    lines = list(STUDY.conclude(run))
    for name in ("H1", "H0", "H2"):
        (line,) = [line for line in lines if f"{name}, " in line]
        assert line.endswith(ANSWERS)
    report = (run.path / "report.md").read_text()
    assert "What this can and cannot show" in report and "Hypotheses" in report


@pytest.mark.slow
def test_what_was_written_under_edits_is_not_written_again(
    run: Run, config: StateTransitionConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, pairs = load_model(config.named_model), make_pairs(run, config)
    made = sorted((run.path / SHELF).iterdir())
    # Unedited, chosen, two random sets; one dose and erasing, each with four draws of either
    # family; every part of the chosen set but itself; one scale.
    chosen = json.loads((run.path / "analysis/selected_layers.json").read_text())["sites"]
    assert len(made) <= 4 + 2 + 4 + len(chosen) + 3 + 1
    written: list[int] = []

    def counted(*args: Any, **kwargs: Any) -> EditedSample:
        written.append(1)
        return sample_edited(*args, **kwargs)

    monkeypatch.setattr(bench, "sample_edited", counted)
    kept = bench.Bench(run, config, loaded, pairs).write([], "unedited")
    assert not written
    texts = {path.name: path.read_bytes() for path in made}
    damaged = made[0].read_bytes().replace(b'"condition":""', b'"condition":"x"', 1)
    for path in made:
        path.write_bytes(damaged)
    again = bench.Bench(run, config, loaded, pairs).write([], "unedited")
    assert written == [1]
    assert [read.row for read in again.reads] == [read.row for read in kept.reads]
    np.testing.assert_equal(again.measured.capability.loops, kept.measured.capability.loops)
    assert again.measured.capability.perplexity == kept.measured.capability.perplexity
    assert again.calls == kept.calls
    other = config.model_copy(
        update={"ablation": config.ablation.model_copy(update={"at": "every token"})}
    )
    bench.Bench(run, other, loaded, pairs).write([], "unedited")
    assert written == [1, 1]
    for name, data in texts.items():
        (run.path / SHELF / name).write_bytes(data)


class _Cut(Exception):
    pass


def _jobs(config: StateTransitionConfig, folder: Path) -> list[tuple[Prompt, int]]:
    run = Run(folder)
    prepare(run, config)
    prompts = read_prompts(run, config.analysis.variant)[:14]
    return [(prompt, number) for prompt in prompts for number in range(2)]


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_model(StateTransitionConfig().named_model)


def test_an_interrupted_job_ends_with_the_same_bytes(
    config: StateTransitionConfig, tmp_path: Path, loaded: LoadedModel
) -> None:
    jobs, settings = _jobs(config, tmp_path / "data"), config.generation.sampling
    facts = {"condition": "baseline", "gen_params": {}, "model_hf_id": "organism"}
    asked: list[int] = []

    def write(prompts: Sequence[Prompt], keys: Sequence[int]) -> list[Generation]:
        asked.append(len(prompts))
        if len(asked) == 3:
            raise _Cut
        return sample(loaded, [p.ids for p in prompts], settings=settings, keys=keys)

    decode = decoder(loaded.tokenizer)
    path = tmp_path / "cut" / "baseline.jsonl"
    with pytest.raises(_Cut):
        write_rows(path, jobs, write, decode, facts, chunk=8)
    assert not path.exists()
    rows = write_rows(path, jobs, write, decode, facts, chunk=8)
    # Two chunks were kept: the third is asked for again, and the fourth.
    assert asked == [8, 8, 8, 8, 4]
    whole = tmp_path / "whole" / "baseline.jsonl"
    write_rows(whole, jobs, write, decode, facts, chunk=8)
    assert path.read_bytes() == whole.read_bytes() and len(rows) == 28
    assert [p.name for p in path.parent.iterdir()] == ["baseline.jsonl"]


def test_a_sample_does_not_depend_on_what_it_is_written_with(
    config: StateTransitionConfig, tmp_path: Path, loaded: LoadedModel
) -> None:
    jobs, settings = _jobs(config, tmp_path), config.generation.sampling
    keys = [sample_key(prompt.example_id, number) for prompt, number in jobs]
    assert len(set(keys)) == len(keys)
    ids = [prompt.ids for prompt, _ in jobs]
    together = sample(loaded, ids, settings=settings, keys=keys)
    backward = sample(loaded, ids[::-1], settings=settings, keys=keys[::-1])[::-1]
    assert sample(loaded, ids[3:4], settings=settings, keys=keys[3:4]) == together[3:4]
    assert together == backward
    with pytest.raises(UsageError, match="keys"):
        sample(loaded, ids, settings=settings, keys=keys[:2])


def test_formats_that_the_model_cannot_tell_apart_are_refused(tmp_path: Path) -> None:
    two = [{"name": name, "prefill": "<think>\n"} for name in ("one", "other")]
    values = {"prompting": {"variants": two}, "analysis": {"variant": "one"}}
    config = StateTransitionConfig.model_validate(values)
    with pytest.raises(ConfigError, match=r"the same .* ids as one"):
        prepare(Run(tmp_path), config)


def test_a_think_mark_of_the_template_gives_way_to_the_prefill(
    config: StateTransitionConfig, tmp_path: Path
) -> None:
    prepare(Run(tmp_path), config)
    ends = {
        variant.name: {prompt.text[-9:] for prompt in read_prompts(Run(tmp_path), variant.name)}
        for variant in config.prompting.variants
    }
    assert {text[-8:] for text in ends["baseline_think_newline"]} == {"<think>\n"}
    assert {text[-8:] for text in ends["think_same_line"]} == {"<think> "}
    assert not any("think" in text for text in ends["no_think_tags"])


FOUND = {
    "sites": ["attn.5"],
    "clean_rate": 0.5,
    "own_rate": 0.1,
    "effect": -0.4,
    "low": -0.5,
    "high": -0.3,
    "random_rates": [0.4] * 20,
    "problems": 60,
    "enough_draws": True,
    "beats_draws": True,
    "broken": False,
    "gates": ["fall of accuracy 0.5 (at most 0.1) FAILED"],
}


@pytest.mark.parametrize(
    ("change", "h1", "h0"),
    [
        ({}, "supported", "not supported"),
        ({"broken": True}, "breaks the model", "breaks the model"),
        ({"low": None, "high": None}, "inconclusive", "inconclusive"),
        ({"clean_rate": 0.0}, "inconclusive", "inconclusive"),
        ({"enough_draws": False}, "inconclusive", "inconclusive"),
        # As large as that of random sets.
        ({"beats_draws": False}, "not supported", "inconclusive"),
        # Sure, but small: more than half remains.
        (
            {"own_rate": 0.4, "effect": -0.1, "low": -0.15, "high": -0.05},
            "not supported",
            "not rejected",
        ),
    ],
)
def test_h1_and_h0_follow_from_rate_draws_and_gates(
    change: dict[str, object], h1: str, h0: str
) -> None:
    found = FOUND | change
    assert answer_h1(found).answer == h1 and answer_h0(found).answer == h0


@pytest.mark.parametrize(
    ("rate", "p", "answer"),
    [
        (0.2, 0.001, "supported"),
        (0.9, 0.001, "supported"),
        (0.4, 0.001, "not supported"),
        (0.2, 0.2, "not supported"),
        (0.2, None, "inconclusive"),
    ],
)
def test_h2_needs_a_heavy_and_sure_difference(rate: float, p: float | None, answer: str) -> None:
    base = {"variant": "a", "backtracking_rate": 0.44, "difference": None}
    other = {
        "variant": "b",
        "backtracking_rate": rate,
        "difference": rate - 0.44,
        "low": -1.0,
        "high": 1.0,
        "p_corrected": p,
    }
    assert answer_h2({"base": "a", "rows": [base, other]}).answer == answer


def test_steps_work_on_the_pinned_run(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    runner = CliRunner()
    runs = ["--runs", str(tmp_path)]
    lost = runner.invoke(app, ["prepare-data", *runs])
    assert "pinned" in str(lost.exception)
    assert runner.invoke(app, ["init-run", "--run", "one", *runs, "-o", SMALL[0]]).exit_code == 0
    assert runner.invoke(app, ["prepare-data", *runs]).exit_code == 0
    early = runner.invoke(app, ["detect-events", *runs])
    assert "is not done" in str(early.exception)
    wrong = runner.invoke(app, ["generate", "--condition", "other", *runs])
    assert "targeted_ablation" in str(wrong.exception)
    folder = tmp_path / "state-transition" / "one"
    assert np.all([(folder / "data/processed" / n).is_file() for n in ("problems.jsonl",)])
