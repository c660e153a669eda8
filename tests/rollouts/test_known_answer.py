"""One sentence decides the answer: it is important, no other is, by what can be worked out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.rollouts import chain_world as world

from augury.config import load_config
from augury.errors import DataError
from augury.rollouts.config import RolloutsConfig
from augury.rollouts.job import make_rollouts
from augury.rollouts.planted import judge_planted
from augury.runs.progress import quiet
from augury.studies.thought_anchors.config import DataConfig
from augury.studies.thought_anchors.label_check import verify_labels

PROBLEMS, ROLLOUTS = 8, 100
DECIDES = 1
"""Number of the sentence "Yes."."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chain")
    config = load_config(
        RolloutsConfig,
        None,
        [
            f"model.name={world.write_model(folder / 'model')}",
            "questions.source=jsonl",
            f"questions.path={world.write_questions(folder / 'q.jsonl', PROBLEMS)}",
            "prompt.style=none",
            'prompt.prefill=" <think> "',
            f"rollouts={ROLLOUTS}",
            'forced.text="</think> Answer:"',
            "forced.count=20",
            f"encoder.name={world.write_encoder(folder / 'encoder')}",
            "encoder.threshold=0.999",
            "sampling.max_new_tokens=20",
            "folder=chain",
        ],
    )
    with quiet():
        assert make_rollouts(config, folder).labelled == tuple(range(PROBLEMS))
    return folder


@pytest.fixture(scope="module")
def labels(made: Path) -> dict[str, np.ndarray]:
    """Of each published value [problem, sentence]."""
    split = made / "chain" / "correct_base_solution"
    rows = [
        json.loads((split / f"problem_{n}" / "chunks_labeled.json").read_text())
        for n in range(PROBLEMS)
    ]
    return {
        name: np.array([[float(sentence[name]) for sentence in of] for of in rows])
        for name in rows[0][0]
        if name.endswith(("accuracy", "fraction"))
    }


def test_the_sentences_are_those_of_the_chain(made: Path) -> None:
    split = made / "chain" / "correct_base_solution"
    told = json.loads((split / "problem_0" / "chunks.json").read_text())
    assert told["chunks"] == ["Start.", "Yes.", "Going.", "On."]


def test_importances_are_those_of_the_table(labels: dict[str, np.ndarray]) -> None:
    total = PROBLEMS * ROLLOUTS
    before = world.YES * world.RIGHT_AFTER_YES + (1 - world.YES) * world.RIGHT_AFTER_NO
    after = world.RIGHT_AFTER_YES
    true_accuracy = np.array([before, before, after, after])

    def error(*shares: float) -> float:
        return float(np.sqrt(sum(share * (1 - share) / total for share in shares)))

    accuracy = labels["accuracy"].mean(axis=0)
    for n, true in enumerate(true_accuracy):
        assert abs(accuracy[n] - true) < 4 * error(true)
    resampling = labels["resampling_importance_accuracy"].mean(axis=0)
    assert abs(resampling[DECIDES] - (after - before)) < 4 * error(before, after)
    for n in (0, 2):
        assert abs(resampling[n]) < 4 * error(true_accuracy[n], true_accuracy[n + 1])
    # Published sign: without the sentence, less with it. "No." replaces "Yes." in 4 of 10 rollouts.
    counterfactual = labels["counterfactual_importance_accuracy"].mean(axis=0)
    few = 1 / (1 - world.YES)
    spread = error(after) + np.sqrt(few) * error(world.RIGHT_AFTER_NO)
    assert abs(counterfactual[DECIDES] - (world.RIGHT_AFTER_NO - after)) < 4 * spread
    assert (counterfactual[[0, 2, 3]] == 0).all(), "nothing else is ever written there"
    different = labels["different_trajectories_fraction"].mean(axis=0)
    assert abs(different[DECIDES] - (1 - world.YES)) < 4 * error(world.YES)
    assert (different[[0, 2, 3]] == 0).all()


def test_rollouts_differ_between_problems_and_samples(made: Path) -> None:
    split = made / "chain" / "correct_base_solution"
    texts = [
        [row["rollout"] for row in json.loads(path.read_text())]
        for path in sorted(split.glob("problem_*/chunk_1/solutions.json"))
    ]
    assert len({tuple(each) for each in texts}) == PROBLEMS
    assert all(len(set(each)) == 4 for each in texts), "two roads, two answers"


def test_verify_labels_finds_the_labels_in_the_rollouts(made: Path) -> None:
    data = DataConfig(path=str(made), model="chain", split="correct_base_solution")
    with quiet():
        lines = verify_labels(data)
    for value in ("accuracy", "counterfactual importance", "forced importance", "prefix"):
        assert any(line.startswith(value) for line in lines)
    assert any("embedded anew" in line for line in lines)


@pytest.mark.parametrize(
    ("file", "at", "change", "told"),
    [
        ("chunks_labeled.json", 1, {"accuracy": 0.5}, "accuracy"),
        ("chunks_labeled.json", 1, {"counterfactual_importance_accuracy": -0.5}, "counterfactual"),
        ("chunks_labeled.json", 0, {"forced_importance_accuracy": 0.9}, "forced importance"),
        ("chunk_2/solutions.json", 0, {"prefix_without_chunk": "<think> Start."}, "prefix"),
        ("chunk_2/solutions.json", 0, {"prefix_without_chunk": ""}, "prefix"),
        ("chunk_2/solutions.json", 0, {"answer": "77"}, "answer, read anew"),
        ("chunk_2/solutions.json", 0, {"rollout": " Going. </think> Answer: 1"}, "read anew"),
        ("similarity.json", 1, {"similar": {"No.": 0.9999, "Yes.": 1.0}}, "similarity"),
        ("problem.json", None, {"gt_answer": "77"}, "answer, read anew"),
    ],
)
def test_verify_labels_finds_a_value_that_does_not_follow(
    made: Path, file: str, at: int | None, change: dict[str, object], told: str
) -> None:
    from augury.errors import CheckFailed

    path = made / "chain" / "correct_base_solution" / "problem_3" / file
    before = path.read_text()
    rows = json.loads(before)
    (rows if at is None else rows[at]).update(change)
    path.write_text(json.dumps(rows))
    data = DataConfig(path=str(made), model="chain", split="correct_base_solution")
    try:
        with quiet(), pytest.raises(CheckFailed, match=told):
            verify_labels(data)
    finally:
        path.write_text(before)


@pytest.mark.parametrize(
    "gone", ["correct_base_solution/problem_3/chunk_2", "correct_base_solution_forced_answer"]
)
def test_verify_labels_misses_rollouts_that_are_gone(made: Path, tmp_path: Path, gone: str) -> None:
    from augury.errors import CheckFailed

    shutil.copytree(made, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "chain" / gone)
    data = DataConfig(path=str(tmp_path / "copy"), model="chain", split="correct_base_solution")
    with quiet(), pytest.raises(CheckFailed, match="as many as were asked for"):
        verify_labels(data)


def test_verify_labels_misses_a_pair_of_sentences_that_was_not_compared(
    made: Path, tmp_path: Path
) -> None:
    shutil.copytree(made, tmp_path / "copy")
    problem = tmp_path / "copy" / "chain" / "correct_base_solution" / "problem_3"
    path = problem / "similarity.json"
    rows = json.loads(path.read_text())
    rows[1]["similar"].popitem()
    path.write_text(json.dumps(rows))
    data = DataConfig(path=str(tmp_path / "copy"), model="chain", split="correct_base_solution")
    with quiet(), pytest.raises(DataError, match=r"problem 3, similarity.json: nothing on"):
        verify_labels(data)


def test_without_marks_nothing_is_judged() -> None:
    assert judge_planted([]) == []
