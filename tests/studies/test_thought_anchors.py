from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.rollout_tree import MODEL, SPLIT, change, same_text, write_problem
from typer.testing import CliRunner

from augury.cli.app import app
from augury.config import dump_yaml
from augury.errors import CheckFailed, ConfigError, DataError, MissingInput, PartialFailure
from augury.evaluate.cells import TEST, TRAIN, VALIDATION
from augury.evaluate.group_scores import scores_within
from augury.evaluate.tripwires import shuffled_labels_ok
from augury.runs.folder import Run
from augury.studies.thought_anchors.agreement import published_agreement, rollout_agreement
from augury.studies.thought_anchors.checks import check_spans, failures, verify
from augury.studies.thought_anchors.config import DataConfig, ThoughtAnchorsConfig
from augury.studies.thought_anchors.evaluation import CELLS, SUMMARY
from augury.studies.thought_anchors.gathering import gather_problems
from augury.studies.thought_anchors.label_check import verify_labels
from augury.studies.thought_anchors.ladder import LADDER, Features, climb, sentence_features
from augury.studies.thought_anchors.scores import PREDICTIONS, Fold, shuffled_excess
from augury.studies.thought_anchors.sentences import FOLDS, PROBLEMS, SENTENCES
from augury.studies.thought_anchors.study import STUDY
from augury.studies.thought_anchors.wires import memory
from augury.traces.sources.math_rollouts import read_problem

LABELS = STUDY.default_config().with_name("labels.yaml")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rollouts")
    for number in range(11):
        write_problem(root, number + 100)
    return root


def overrides(root: Path) -> list[str]:
    return [
        f"data.path={root}",
        f"data.model={MODEL}",
        f"data.split={SPLIT}",
        "labels.percentile=80",
        "evaluation.draws=100",
        "evaluation.permutations=200",
    ]


@pytest.fixture(scope="module")
def done(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, ThoughtAnchorsConfig]:
    root = tmp_path_factory.mktemp("damaged") / "rollouts"
    shutil.copytree(tree, root)
    change(root / MODEL / SPLIT / "problem_105" / "chunks_labeled.json", 2, chunk="Never said.")
    config = STUDY.read_config(LABELS, overrides(root))
    run = STUDY.start(tmp_path_factory.mktemp("runs"), config, "small")
    STUDY.execute(run, config)
    return run, config


def test_a_problem_that_cannot_be_read_is_left_out_and_listed(
    done: tuple[Run, ThoughtAnchorsConfig],
) -> None:
    run, _ = done
    status = pl.read_csv(run.path / PROBLEMS)
    assert status["status"].to_list() == ["ok"] * 10 + ["skipped"]
    assert "chunks_labeled.json:2:chunk: 'Never said.'" in status["why"][-1]
    assert "problem 105" in failures(run)[0]
    assert 105 not in pl.read_parquet(run.path / SENTENCES)["problem"]
    assert any(line.startswith("skipped problem 105") for line in STUDY.conclude(run))


def test_a_problem_of_one_sentence_is_left_out_where_the_last_one_is(tmp_path: Path) -> None:
    for number in range(4):
        write_problem(tmp_path, number, sentences=7)
    folder = tmp_path / MODEL / SPLIT / "problem_2"
    labels = json.loads((folder / "chunks_labeled.json").read_text())
    (folder / "chunks_labeled.json").write_text(json.dumps(labels[:1]))
    config = STUDY.read_config(LABELS, [*overrides(tmp_path), "folds={kind: k-fold, k: 3}"])
    run = STUDY.start(tmp_path / "runs", config, "one")
    for stage in ("rollouts", "read", "sentences"):
        STUDY.execute(run, config, only=stage)
    assert pl.read_csv(run.path / PROBLEMS)["status"].to_list() == ["ok"] * 3 + ["skipped"]
    (told,) = failures(run)
    assert "problem_2" in told and "labels.drop_last" in told
    stopping = STUDY.read_config(LABELS, [*overrides(tmp_path), "data.on_fault=stop"])
    run = STUDY.start(tmp_path / "runs", stopping, "stop")
    with pytest.raises(DataError, match="problem_2"):
        STUDY.execute(run, stopping)


def test_a_problem_that_cannot_be_read_ends_the_run_where_that_is_asked(
    done: tuple[Run, ThoughtAnchorsConfig], tmp_path: Path
) -> None:
    config = done[1].model_copy(
        update={"data": done[1].data.model_copy(update={"on_fault": "stop"})}
    )
    with pytest.raises(DataError, match="Never said"):
        STUDY.execute(STUDY.start(tmp_path, config, "stop"), config)


def test_each_problem_is_tested_once_and_validation_rotates(
    done: tuple[Run, ThoughtAnchorsConfig],
) -> None:
    folds = json.loads((done[0].path / FOLDS).read_text())
    tested = [group for fold in folds for group in fold["test"]]
    validated = [group for fold in folds for group in fold["validation"]]
    assert len(tested) == len(set(tested)) == 10
    assert all(validated.count(group) == 2 for group in tested)
    every = pl.read_parquet(done[0].path / PREDICTIONS)
    test = every.filter(pl.col("split") == "test")
    assert test.select("trace", "sentence").is_unique().all() and len(test) == 10 * 13


def test_nothing_is_found_in_rollouts_without_an_effect(
    done: tuple[Run, ThoughtAnchorsConfig],
) -> None:
    run, config = done
    stored = json.loads((run.path / CELLS).read_text())
    assert len(stored) == 3 * (len(LADDER) - 1)
    assert sum(cell["verdict"] == "predictive beyond baselines" for cell in stored) <= 1
    assert all(cell["groups"] <= 10 and cell["rows"] == 130 for cell in stored)
    assert all(wire.passed for wire in STUDY.tripwires(run))
    summary = json.loads((run.path / SUMMARY).read_text())
    assert set(summary["bins"]["anchor_binary"]) == set(LADDER)
    assert summary["deferral"]["test"]["rows"] == 130
    assert (run.path / "report.html").is_file()
    assert verify(run, config) == ["15 judged scores are the stored ones"]


def test_changed_scores_do_not_judge_the_same(
    done: tuple[Run, ThoughtAnchorsConfig], tmp_path: Path
) -> None:
    copy = Run(tmp_path / "copy")
    shutil.copytree(done[0].path, copy.path)
    every = pl.read_parquet(copy.path / PREDICTIONS)
    changed = every.with_columns(pl.col("importance_abs:text").reverse())
    changed.write_parquet(copy.path / PREDICTIONS)
    with pytest.raises(CheckFailed, match="importance_abs, text"):
        verify(copy, done[1])


def test_changed_files_run_the_study_again(
    tree: Path, tmp_path: Path, done: tuple[Run, ThoughtAnchorsConfig]
) -> None:
    root = tmp_path / "rollouts"
    shutil.copytree(Path(done[1].data.path or ""), root)
    config = STUDY.read_config(LABELS, overrides(root))
    run = STUDY.start(tmp_path, config, "again")
    for stage in ("rollouts", "tokens", "read", "sentences"):
        STUDY.execute(run, config, only=stage)
    assert [planned.status for planned in STUDY.plan(run, config)[:4]] == ["done"] * 4
    change(root / MODEL / SPLIT / "problem_102" / "chunks_labeled.json", 0, accuracy=0.25)
    reading, planned = STUDY.plan(run, config)[2:4]
    assert reading.status == "done"
    assert planned.status == "to run" and "files.102" in planned.why


def test_published_values_follow_from_the_rollouts(tree: Path) -> None:
    data = DataConfig(path=str(tree), model=MODEL, split=SPLIT, problems=(100,))
    files = data.files()
    problem = read_problem(files, 100)
    rows = {row.value: row for row in rollout_agreement(files, problem, similar=same_text)}
    for value in ("accuracy", "resampling importance", "counterfactual importance"):
        assert rows[value].compared == rows[value].agreeing == 14, value
    cut = rows["prefix of the rollouts"]
    assert cut.compared - cut.agreeing == 40 and cut.why == "40 cut everywhere"
    assert any("1 of 1 problems have rollouts" in line for line in verify_labels(data))


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("resampling_importance_accuracy", "resampling importance"),
        ("counterfactual_importance_accuracy", "counterfactual importance"),
    ],
)
def test_a_published_value_that_does_not_follow_is_a_failed_check(
    tree: Path, tmp_path: Path, field: str, told: str
) -> None:
    root = tmp_path / "rollouts"
    shutil.copytree(tree, root)
    path = root / MODEL / SPLIT / "problem_100" / "chunks_labeled.json"
    value = json.loads(path.read_text())[4][field]
    change(path, 4, **{field: value - 0.001})
    with pytest.raises(CheckFailed, match=rf"{told} \("):
        verify_labels(DataConfig(path=str(root), model=MODEL, split=SPLIT))


def test_spans_are_checked_in_the_tokens_of_a_model(tree: Path, tmp_path: Path) -> None:
    data = DataConfig(path=str(tree), model=MODEL, split=SPLIT)
    assert "all sentences of 11 problems" in check_spans(data)[-1]
    root = tmp_path / "rollouts"
    shutil.copytree(tree, root)
    folder = root / MODEL / SPLIT / "problem_103"
    solution = json.loads((folder / "base_solution.json").read_text())["solution"]
    change(folder / "base_solution.json", None, solution=solution.replace("Same.", "Same. Oh!", 1))
    change(root / MODEL / SPLIT / "problem_104" / "chunks_labeled.json", -1, chunk="xi of")
    with pytest.raises(CheckFailed) as error:
        check_spans(DataConfig(path=str(root), model=MODEL, split=SPLIT))
    told = str(error.value)
    assert re.search(r"problem 103: .*:2:chunk: .*text before it is in no chunk: 'Oh!'", told)
    assert "problem 104: text behind it is in no sentence: 'problem 104 step 13.'" in told


def test_spans_are_checked_in_the_tokens_of_the_model_that_will_read(tree: Path) -> None:
    asked = ["anchors", "check-spans", "-c", "labels"]
    for part in (f"path={tree}", f"model={MODEL}", f"split={SPLIT}"):
        asked += ["-o", f"data.{part}"]
    refused = CliRunner().invoke(app, [*asked, "-o", "model.name=./nowhere"]).exception
    assert isinstance(refused, MissingInput) and "nowhere" in str(refused)
    told = CliRunner().invoke(app, [*asked, "-o", "model.name=./nowhere", "--model", "organism"])
    assert told.exit_code == 0 and "in the tokens of organism" in told.output


def world(problems: int = 12, sentences: int = 40) -> tuple[pl.DataFrame, Features, list[Fold]]:
    """Importances that nothing foretells, and folds of one problem each."""
    rng = np.random.default_rng(0)
    trace = np.repeat(np.arange(problems), sentences)
    size = rng.random(len(trace))
    table = pl.DataFrame(
        {
            "problem": trace,
            "trace": trace,
            "sentences": np.full(len(trace), sentences),
            "text": [f"w{rng.integers(30)} v{rng.integers(30)} u{n}" for n in range(len(trace))],
            "tags": [[f"t{rng.integers(3)}"] for _ in trace],
            "importance_abs": size,
            "anchor_binary": size > 0.9,
        }
    )
    sides = [
        np.where(trace == n, TEST, np.where(trace == (n + 1) % problems, VALIDATION, TRAIN))
        for n in range(problems)
    ]
    return table, sentence_features(table), [Fold(side) for side in sides]


def test_the_wire_of_shuffled_labels_is_quiet_without_a_leak_and_goes_off_with_one() -> None:
    table, features, folds = world()
    honest = shuffled_excess(features, table, folds, draws=200, seed=0)
    assert shuffled_labels_ok(np.stack(list(honest.values()), 1)).passed
    assert all(len(each) == 200 for each in honest.values())

    class Leaky(Fold):
        @property
        def train(self) -> np.ndarray:
            return self.side != VALIDATION

    leaky = shuffled_excess(features, table, [Leaky(f.side) for f in folds], draws=200, seed=0)
    assert not shuffled_labels_ok(np.stack(list(leaky.values()), 1)).passed


def test_words_are_known_by_heart_unless_labels_and_rows_are_mixed_up() -> None:
    table, _, _ = world()
    assert memory(table).passed
    same = table.with_columns(pl.lit("the same words").alias("text"))
    assert not memory(same).passed


def test_position_with_text_never_loses_the_position() -> None:
    """Four columns beside thousands of words drowned in the first version."""
    _, features, folds = world()
    place = np.tile(np.arange(40.0), 12)
    values = (-place + np.random.default_rng(1).normal(scale=4, size=len(place)))[:, None]
    found = climb(features, values, train=folds[0].train, validation=folds[0].validation, seed=0)
    test = folds[0].test
    alone, both = (
        np.corrcoef(found[name][test, 0], values[test, 0])[0, 1]
        for name in ("position", "position+text")
    )
    assert alone > 0.9 and both > alone - 0.02
    assert abs(np.corrcoef(found["text"][test, 0], values[test, 0])[0, 1]) < 0.5


def test_the_sign_of_the_place_is_that_of_ranks_within_problems() -> None:
    """Not that of means: two sentences in forty are large, and stand first."""
    _, features, folds = world()
    place = np.tile(np.arange(40.0), 12)
    values = np.where(place < 2, 50.0, place / 40)
    values += features.traces  # nor does it matter which problems are large
    assert np.corrcoef(values, place)[0, 1] < -0.1
    sides = {"train": folds[0].train, "validation": folds[0].validation}
    found = climb(features, np.stack([values, -values], axis=1), **sides, seed=0)["position_rank"]
    assert scores_within(values, found[:, 0], features.traces).min() > 0.5
    np.testing.assert_array_equal(found[:, 1], -found[:, 0])


def test_no_rung_reads_the_labels_of_its_test_problem() -> None:
    table, features, folds = world()
    for values in (table["anchor_binary"].to_numpy(), table["importance_abs"].to_numpy()):
        fold = folds[3]
        other = values.copy()
        other[fold.test] = other[fold.test][::-1]
        first, second = (
            climb(features, each[:, None], train=fold.train, validation=fold.validation, seed=0)
            for each in (values, other)
        )
        for rung in LADDER:
            assert np.array_equal(first[rung], second[rung]), rung


def test_no_rung_reads_the_words_of_its_test_problem() -> None:
    table, features, folds = world()
    fold = folds[3]
    words = [
        "quite other words" if tested else text
        for text, tested in zip(features.texts, fold.test.tolist(), strict=True)
    ]
    values = table["importance_abs"].to_numpy()[:, None]
    first, second = (
        climb(each, values, train=fold.train, validation=fold.validation, seed=0)["text"]
        for each in (features, replace(features, texts=tuple(words)))
    )
    assert np.array_equal(first[~fold.test], second[~fold.test])


def test_every_config_of_the_study_loads() -> None:
    found = {path.stem: path for path in STUDY.default_config().parent.glob("*.yaml")}
    settings = {
        f"{model}-{split}-{size}": (model, split, size)
        for model in ("llama-8b", "qwen-14b")
        for split in ("correct", "incorrect")
        for size in ("pilot", "full")
    }
    assert found.keys() >= settings.keys() | {"labels", "laptop", "organism", "stories260k"}
    for name, path in found.items():
        config = STUDY.read_config(path, [])
        assert config.activations == (name != "labels")
        assert not STUDY.read_config(path, ["activations=false"]).activations
        if name in settings:
            model, split, size = settings[name]
            assert config.model.name.lower().endswith(f"distill-{model}")
            assert config.data.model.endswith(model) and config.data.split.startswith(f"{split}_")
            assert config.data.limit == (3 if size == "pilot" else None)


def test_own_rollouts_decide_whose_solutions_are_read(tree: Path, tmp_path: Path) -> None:
    organism = STUDY.default_config()
    with pytest.raises(ConfigError, match="follow from rollouts"):
        STUDY.read_config(organism, [f"data.path={tree}", f"data.model={MODEL}"])
    config = STUDY.read_config(organism, [f"data.path={tree}"])
    assert config.data.setting.model == "organism"
    path = tmp_path / "config.yaml"
    path.write_text(dump_yaml(config))
    assert STUDY.read_config(path, []) == config


def test_the_command_ends_with_three_where_a_problem_was_left_out(
    done: tuple[Run, ThoughtAnchorsConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = done
    arguments = ["run", "thought-anchors", "--run", run.name, "--runs", str(run.path.parents[1])]
    with pytest.raises(PartialFailure, match="problem 105"):
        app(arguments, standalone_mode=False)
    assert "verdict anchor_binary" in capsys.readouterr().out


def test_real_labels_follow_from_what_they_are_made_of(augury_data: Path) -> None:
    config = STUDY.read_config(LABELS, [f"data.path={augury_data / 'thought_anchors'}"])
    rows = published_agreement(gather_problems(config.data).problems)
    told = {(row.value, row.compared): row.agreeing for row in rows}
    assert told["resampling importance", 1380] == 1380
    assert told["counterfactual importance", 1183] == 1183
    assert told["counterfactual importance", 197] == 197
    assert told["prefix of the rollouts", 1390] == 1343
    assert max(row.largest for row in rows) < 1e-9
    lines = verify_labels(config.data)
    assert any("left out: 1 last sentence" in line for line in lines)
