"""The study with a model: what is read, what is left out, what is read again, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tests.rollout_tree import MODEL, SPLIT, write_problem

from augury.activations.store import Store
from augury.cli.app import app
from augury.errors import CheckFailed, ConfigError, DataError, PartialFailure, UsageError
from augury.models.load import ModelConfig, load_model
from augury.runs.folder import Run
from augury.studies.deferring import DeferralConfig, plan_file
from augury.studies.judge_named import judge_named
from augury.studies.thought_anchors.activations import (
    READING,
    STORE,
    VERTICAL,
    estimate_reading,
)
from augury.studies.thought_anchors.checks import verify
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig
from augury.studies.thought_anchors.evaluation import SUMMARY, read_cells
from augury.studies.thought_anchors.placing import TOKENS
from augury.studies.thought_anchors.probes import CHOSEN, PROBES, site_spans
from augury.studies.thought_anchors.scores import PREDICTIONS
from augury.studies.thought_anchors.sentences import PROBLEMS, SENTENCES
from augury.studies.thought_anchors.standing import standings
from augury.studies.thought_anchors.study import STUDY
from augury.traces.tokens import read_tokenised

LONG = 107
"""A problem of twice as many sentences, longer than the study may read."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rollouts")
    for number in range(100, 111):
        write_problem(root, number, sentences=28 if number == LONG else 14, rollouts=20)
    return root


def config_of(root: Path, *more: str) -> ThoughtAnchorsConfig:
    return STUDY.read_config(
        STUDY.default_config().with_name("labels.yaml"),
        [
            "activations=true",
            f"data.path={root}",
            f"data.model={MODEL}",
            f"data.split={SPLIT}",
            "labels.percentile=80",
            "labels.targets=[anchor_binary, importance_abs]",
            "evaluation.draws=100",
            "evaluation.permutations=200",
            "reading={sweep: listed, sites: [embed, resid.1], pooling: tokens, longest: 230}",
            "reading.vertical={mode: light, proximity: 2}",
            "probes.kinds=[linear, position+linear, logistic, multimax]",
            "probes.l2=[100.0, 1.0]",
            "probes.residual=position+text",
            "probes.seeds=[0, 1]",
            "probes.width=8",
            "probes.epochs=1",
            *more,
        ],
    )


@pytest.fixture(scope="module")
def done(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, ThoughtAnchorsConfig]:
    config = config_of(tree)
    run = STUDY.start(tmp_path_factory.mktemp("runs"), config, "small")
    STUDY.execute(run, config)
    return run, config


def statuses(run: Run, config: ThoughtAnchorsConfig) -> dict[str, str]:
    return {planned.name: planned.status for planned in STUDY.plan(run, config)}


def written(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_problem_that_is_too_long_is_left_out_and_listed(
    done: tuple[Run, ThoughtAnchorsConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = done
    status = pl.read_csv(run.path / PROBLEMS)
    left_out = status.filter(pl.col("status") == "skipped")
    assert left_out["problem"].to_list() == [LONG]
    assert "at most reading.longest, 230" in left_out["why"][0]
    assert LONG not in pl.read_parquet(run.path / SENTENCES)["problem"]
    arguments = ["run", "thought-anchors", "--run", run.name, "--runs", str(run.path.parents[1])]
    with pytest.raises(PartialFailure, match=f"problem {LONG}"):
        app(arguments, standalone_mode=False)
    assert f"skipped problem {LONG}" in capsys.readouterr().out


def test_a_problem_that_is_too_long_ends_the_run_where_that_is_asked(
    tree: Path, tmp_path: Path
) -> None:
    config = config_of(tree, "data.on_fault=stop")
    with pytest.raises(DataError, match=r"at most reading.longest"):
        STUDY.execute(STUDY.start(tmp_path, config, "stop"), config)


def test_rows_are_the_states_of_the_sentences_tokens(
    done: tuple[Run, ThoughtAnchorsConfig],
) -> None:
    """Against one forward pass by transformers, and texts that are cut out by hand."""
    run, _ = done
    table = pl.read_parquet(run.path / SENTENCES)
    store = Store.open(run.path / STORE)
    spans = site_spans(run, table, store, "resid.1")
    loaded = load_model(ModelConfig(name="organism"))
    parts = {part.trace_id: part for part in read_tokenised(run.path / TOKENS)}
    wanted = table.filter(pl.col("problem") == 104)
    part = next(part for name, part in parts.items() if name.endswith("problem_104"))
    ids = torch.from_numpy(part.ids.astype(np.int64))[None]
    hidden = loaded.model(ids, output_hidden_states=True).hidden_states[2][0].float().numpy()
    numbers = np.flatnonzero((table["problem"] == 104).to_numpy())
    for number, start, end, text in zip(
        numbers, wanted["start"], wanted["end"], wanted["text"], strict=True
    ):
        inside = np.flatnonzero((part.ends > start) & (part.starts < end))
        read = loaded.tokenizer.decode(part.ids[inside]).strip()
        assert read == text
        rows = spans.tokens[spans.offsets[number] : spans.offsets[number + 1]]
        np.testing.assert_allclose(np.asarray(rows), hidden[inside], atol=1e-4)


def test_probes_stand_beside_the_ladder_and_everything_is_told(
    done: tuple[Run, ThoughtAnchorsConfig],
) -> None:
    run, _ = done
    results = read_cells(run)
    names = {r.predictor for r in results if r.target == "anchor_binary"}
    probes = {
        f"{kind}@{site}"
        for kind in ("linear", "position+linear")
        for site in ("embed", "resid.1", "vertical")
    }
    assert probes | {"logistic@resid.1", "multimax@resid.1", "receivers@vertical"} <= names
    assert "position" in names and not any("/" in name for name in names)
    for result in results:
        if "@" in result.predictor:
            assert {"position", "position+text"} <= set(result.baselines)
    judged = {r.target for r in results}
    assert judged == {
        "anchor_binary",
        "importance_abs",
        "anchor_binary_text_residual",
        "importance_abs_text_residual",
    }
    # Nothing is to be found in rollouts without an effect.
    assert sum(r.verdict == "predictive beyond baselines" for r in results) <= 2
    assert all(wire.passed for wire in STUDY.tripwires(run))
    summary = json.loads((run.path / SUMMARY).read_text())
    assert len(summary["seeds"]["anchor_binary:multimax@resid.1"]) == 2
    heads = json.loads((run.path / CHOSEN).read_text())["receiver heads"]
    assert len(heads) == 10
    for name in ("report.html", "figures/sites_anchor_binary.png"):
        assert (run.path / name).is_file()
    assert any("probes is shown to add" in line for line in STUDY.conclude(run))


def test_a_leaderboard_never_holds_two_targets_against_each_other(
    done: tuple[Run, ThoughtAnchorsConfig],
) -> None:
    """Nor residual anchors of two percentiles."""
    found = [each for each in standings(*done) if each.sees == "states"]
    questions = {str(each.question["target"]): each.question for each in found}
    assert len({each.league for each in found}) == len(questions) == 4
    assert questions["anchor_binary_text_residual"]["percentile"] == 80
    assert "percentile" not in questions["importance_abs_text_residual"]


def test_how_much_of_the_differences_within_problems_is_gone_is_told(
    done: tuple[Run, ThoughtAnchorsConfig],
) -> None:
    run, _ = done
    rows = pl.read_parquet(run.path / PROBES).filter(pl.col("split") == "test")
    assert rows["anchor_binary_text_residual"].dtype == pl.Boolean
    name, squares = "importance_abs_text_residual", {}
    for column in ("importance_abs", name):
        problems = [own[column].to_numpy() for _, own in rows.group_by("trace")]
        squares[column] = sum(np.square(each - each.mean()).sum() for each in problems)
    told = json.loads((run.path / SUMMARY).read_text())["taken_away"]
    assert told == {name: pytest.approx(1 - squares[name] / squares["importance_abs"])}
    report = (run.path / "report.md").read_text()
    assert "The top share of each problem by what a ridge regression on place and words" in report


def test_saved_probes_and_judgements_come_back(
    done: tuple[Run, ThoughtAnchorsConfig], tmp_path: Path
) -> None:
    run, config = done
    lines = verify(run, config)
    assert lines[1].startswith("11 saved probes")
    told = judge_named("small", ("", "", ()), (), out=tmp_path / "out", runs=run.path.parents[1])
    assert any("agree with the stored results" in line for line in told)
    assert (tmp_path / "out" / "results.csv").is_file()
    copy = Run(tmp_path / "copy")
    shutil.copytree(run.path, copy.path)
    every = pl.read_parquet(copy.path / PROBES)
    nudged = every.with_columns(pl.col("importance_abs_text_residual:linear@embed") + 1e-9)
    nudged.write_parquet(copy.path / PROBES)
    with pytest.raises(CheckFailed, match="linear_embed"):
        verify(copy, config)


@pytest.mark.parametrize(
    "change",
    [
        "labels.percentile=70",
        "labels.estimator=resampling",
        "probes.kinds=[linear]",
        "evaluation.permutations=300",
        "folds={kind: k-fold, k: 3}",
    ],
)
def test_no_label_kind_or_setting_of_the_evaluation_reads_again(
    done: tuple[Run, ThoughtAnchorsConfig], tree: Path, change: str
) -> None:
    run, _ = done
    plan = statuses(run, config_of(tree, change))
    assert plan["read"] == "done" and plan["evaluation"] == "to run"


def test_a_new_label_is_judged_on_the_states_that_are_there(
    done: tuple[Run, ThoughtAnchorsConfig], tree: Path, tmp_path: Path
) -> None:
    run = Run(tmp_path / "again")
    shutil.copytree(done[0].path, run.path)
    before = written(run.path / STORE) | written(run.path / VERTICAL)
    config = config_of(tree, "labels.estimator=resampling", "probes.kinds=[linear]")
    for stage in ("sentences", "probes"):
        STUDY.execute(run, config, only=stage)
    assert statuses(run, config)["probes"] == "done"
    assert written(run.path / STORE) | written(run.path / VERTICAL) == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("reading.pooling=mean", "plan.pooling: stored 'tokens' / now 'mean'"),
        ("reading.vertical.proximity=3", "plan.proximity: stored 2 / now 3"),
        ("data.limit=9", "traces.count: stored 10 / now "),
    ],
)
def test_other_states_are_not_mixed_into_a_store(
    done: tuple[Run, ThoughtAnchorsConfig], tree: Path, tmp_path: Path, change: str, told: str
) -> None:
    run = Run(tmp_path / "again")
    shutil.copytree(done[0].path, run.path)
    more = ["probes.kinds=[linear]"] if "pooling" in change else []
    with pytest.raises(ConfigError, match=told.replace(".", r"\.")):
        STUDY.execute(run, config_of(tree, change, *more))


def test_other_weights_under_the_same_name_are_noticed(tree: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    weights = folder / "model.safetensors"
    weights.write_bytes(bytes(10_000))
    config = config_of(tree, f"model.name={folder}")
    read = next(stage for stage in STUDY.stages if stage.name == "read")
    before = read.inputs(config)
    assert read.inputs(config) == before
    weights.write_bytes(bytes(9_999) + b"x")
    assert read.inputs(config) != before


def test_labels_that_changed_are_not_judged_with_older_scores(
    done: tuple[Run, ThoughtAnchorsConfig], tree: Path
) -> None:
    run, _ = done
    config = config_of(tree, "labels.percentile=70")
    with pytest.raises(UsageError, match=r"labels.percentile: stored 80.0 / now 70.0"):
        STUDY.execute(run, config, only="scores")


def test_nothing_is_read_behind_a_pilot_that_fails(tree: Path, tmp_path: Path) -> None:
    wrong = "model.module_names={final_norm: model.layers.0.input_layernorm}"
    config = config_of(tree, wrong)
    run = STUDY.start(tmp_path, config, "wrong")
    with pytest.raises(
        CheckFailed, match=r"pilot of 3 problems \(of the other 7 nothing was read\).*final norm"
    ):
        STUDY.execute(run, config)
    assert not (run.path / READING).exists()
    assert not list((run.path / STORE).iterdir())


def test_leave_one_out_predictions_are_deferred_fold_by_fold(
    done: tuple[Run, ThoughtAnchorsConfig],
) -> None:
    path = done[0].path / PREDICTIONS
    named = ("group", "anchor_binary", "anchor_binary:position")
    with pytest.raises(DataError, match=r"in split 'test' and in 'validation'.*-o by=fold"):
        plan_file(path, named, DeferralConfig(split="split"))
    lines = plan_file(path, named, DeferralConfig(split="split", by="fold"))
    assert sum(line.startswith("fold ") for line in lines) == 10
    summary = json.loads((done[0].path / SUMMARY).read_text())
    assert summary["deferral"]["test"]["rows"] == 130


def test_the_estimate_counts_what_is_then_written(
    done: tuple[Run, ThoughtAnchorsConfig], tree: Path
) -> None:
    run, config = done
    cost = estimate_reading(config)
    by_name = dict(cost.parts)
    for name, folder in (("states", STORE), ("vertical attention", VERTICAL)):
        store = Store.open(run.path / folder)
        assert by_name[name].rows == store.n_rows
        size = sum(path.stat().st_size for path in (run.path / folder / "shards").iterdir())
        assert by_name[name].bytes == pytest.approx(size, rel=0.05)
    assert by_name["pilot, read before the rest"].tokens < by_name["states"].tokens
    assert cost.lines()[0] == "problems 10, left out 1"
    with pytest.raises(UsageError, match="no model is read"):
        estimate_reading(config_of(tree, "activations=false"))


def test_token_kinds_need_tokens(tree: Path) -> None:
    with pytest.raises(ConfigError, match=r"set reading\.pooling to tokens"):
        config_of(tree, "reading.pooling=mean")
