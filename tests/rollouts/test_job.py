"""A whole set of rollouts of the embedded model: layout, prefixes, resuming, refusals."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from augury.errors import Busy, ConfigError, DataError
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.rollouts.author import Author
from augury.rollouts.base import solve
from augury.rollouts.config import RolloutsConfig
from augury.rollouts.files import Tree, read_about
from augury.rollouts.job import make_rollouts, plan_rollouts
from augury.rollouts.questions import read_questions
from augury.runs.journal import read_journal
from augury.runs.lock import exclusive
from augury.runs.progress import quiet
from augury.studies.thought_anchors.config import DataConfig, ThoughtAnchorsConfig
from augury.studies.thought_anchors.label_check import verify_labels
from augury.traces.sources.math_rollouts import chunk_places, read_problem
from augury.traces.sources.rollout_files import FolderRollouts

SMALL = {
    "questions": {"source": "planted", "count": 3, "seed": 3},
    "base": {"take": "any", "sentences": 8},
    "rollouts": 5,
    "forced": {"count": 2},
    "sampling": {"max_new_tokens": 120},
    "encoder": {"name": "own"},
    "chunk": 20,
}


def small(**changes: object) -> RolloutsConfig:
    return RolloutsConfig.model_validate({**SMALL, **changes})


@pytest.fixture(scope="module")
def organism() -> LoadedModel:
    return load_model(ModelConfig(name="organism", device="cpu"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, organism: LoadedModel) -> Path:
    folder = tmp_path_factory.mktemp("set")
    with quiet():
        make_rollouts(small(), folder, loaded=organism)
    return folder


def files_of(folder: Path) -> dict[str, str]:
    """Hash of every file but the journal and what names the time."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (".lock", "journal.jsonl")
    }


def test_the_layout_is_read_as_published_ones_are(made: Path) -> None:
    setting = small().setting
    assert (setting.model, setting.split) == ("organism", "planted_base_solution")
    files = FolderRollouts(made, setting)
    assert len(files.problem_ids()) >= 2
    for number in files.problem_ids():
        problem = read_problem(files, number)
        places = chunk_places(problem)
        assert all(place.found and place.verbatim and not place.skipped for place in places)
        assert {"problem_setup", "active_computation"} <= {c.tags[0] for c in problem.chunks}
    about = read_about(Tree(made, setting))
    assert about["made_with"]["identity"]["weights"] and about["provenance"]["versions"]["torch"]
    assert about["encoder"]["kind"] == "own states" and about["encoder"]["site"] == "resid.3"


def test_labels_are_the_definitions_worked_out_by_hand(made: Path) -> None:
    split = made / "organism" / "planted_base_solution"
    threshold = read_about(Tree(made, small().setting))["encoder"]["threshold"]
    for problem in sorted(split.glob("problem_*")):
        rows = json.loads((problem / "chunks_labeled.json").read_text())
        alike = json.loads((problem / "similarity.json").read_text())
        own, unlike = [], []
        for n in range(len(rows)):
            drawn = json.loads((problem / f"chunk_{n}" / "solutions.json").read_text())
            assert len(drawn) == 5
            told = [r for r in drawn if r["answer"]]
            own.append(sum(r["is_correct"] for r in told) / len(told))
            differ = [
                r for r in told if alike[n]["similar"].get(r["chunk_resampled"], 0.0) < threshold
            ]
            unlike.append([r["is_correct"] for r in differ])
        for n, row in enumerate(rows[:-1]):
            assert row["accuracy"] == own[n]
            assert row["resampling_importance_accuracy"] == own[n + 1] - own[n]
            wanted = np.mean(unlike[n]) - own[n + 1] if unlike[n] else 0.0
            assert row["counterfactual_importance_accuracy"] == pytest.approx(wanted, abs=1e-12)


def test_every_rollout_continues_what_stands_before_its_sentence(made: Path) -> None:
    split = made / "organism" / "planted_base_solution"
    for problem in split.glob("problem_*"):
        base = json.loads((problem / "base_solution.json").read_text())
        chunks = json.loads((problem / "chunks.json").read_text())["chunks"]
        for n, chunk in enumerate(chunks):
            for row in json.loads((problem / f"chunk_{n}" / "solutions.json").read_text()):
                prefix = row["prefix_without_chunk"]
                assert base["full_cot"].startswith(prefix)
                assert prefix.removeprefix(base["prompt"]).split() == " ".join(chunks[:n]).split()
                assert row["chunk_removed"] == chunk
                assert row["full_cot"] == prefix + row["rollout"]


def test_verify_labels_agrees_on_the_command_line(made: Path) -> None:
    data = DataConfig(path=str(made), model="organism", split="planted_base_solution")
    with quiet():
        lines = verify_labels(data)
    rows = [line for line in lines if "own states" not in line][1:-1]
    assert any(row.startswith("counterfactual importance  rollouts") for row in rows)
    assert not any("cut everywhere" in row or "cut elsewhere" in row for row in rows)


def test_the_size_of_the_batch_moves_no_draw(
    made: Path, tmp_path: Path, organism: LoadedModel
) -> None:
    with quiet():
        make_rollouts(small(chunk=7), tmp_path, loaded=organism)
    one, other = files_of(made), files_of(tmp_path)
    drawn = [name for name in one if name.endswith("solutions.json")]
    assert drawn and [one[name] for name in drawn] == [other[name] for name in drawn]


KILLED = """
import sys
from pathlib import Path
from augury.rollouts.config import RolloutsConfig
from augury.rollouts.job import make_rollouts
make_rollouts(RolloutsConfig.model_validate_json(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_killed_job_goes_on_and_ends_with_the_same_bytes(
    made: Path, tmp_path: Path, organism: LoadedModel
) -> None:
    journal = Tree(tmp_path, small().setting).journal
    command = [sys.executable, "-c", KILLED, small().model_dump_json(), str(tmp_path)]
    job = subprocess.Popen(command, env=dict(os.environ))
    while job.poll() is None and sum("rollouts" in r for r in read_journal(journal)) < 2:
        time.sleep(0.02)
    job.send_signal(signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL, "it ended before it could be killed"
    done = {name for line in read_journal(journal) for name in line.get("rollouts", ())}
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in files_of(tmp_path)}
    with quiet():
        make_rollouts(small(), tmp_path, loaded=organism)
    assert files_of(tmp_path) == files_of(made)
    tree = Tree(tmp_path, small().setting)
    for name in done:
        number, sentence = (int(part) for part in name.split("/"))
        path = tree.rollouts(number, sentence)
        kept = before[str(path.relative_to(tmp_path))]
        assert path.stat().st_mtime_ns == kept, "what was done was done again"


def test_other_settings_are_refused_with_a_table(made: Path, organism: LoadedModel) -> None:
    with quiet(), pytest.raises(ConfigError, match=r"config\.rollouts: stored 5 / now 7"):
        make_rollouts(small(rollouts=7), made, loaded=organism)


def test_only_one_process_writes_a_set(made: Path, organism: LoadedModel) -> None:
    with exclusive(Tree(made, small().setting).lock), pytest.raises(Busy):
        make_rollouts(small(), made, loaded=organism)


def test_no_solution_to_take_is_said_with_its_reason(tmp_path: Path, organism: LoadedModel) -> None:
    own = {"questions": {"count": 1}, "base": {"take": "any", "attempts": 2}}
    with quiet(), pytest.raises(DataError, match=r"problem 0: .* in 2 attempts: 2 truncated"):
        make_rollouts(small(**own, sampling={"max_new_tokens": 2}), tmp_path, loaded=organism)


@pytest.mark.parametrize(("take", "state"), [("correct", "right"), ("incorrect", "wrong")])
@pytest.mark.parametrize("source", ["organism", "planted"])
def test_correct_and_incorrect_solutions_are_what_they_are_called(
    take: str, state: str, source: str, organism: LoadedModel
) -> None:
    questions = {"source": source, "count": 24, "seed": 7}
    config = small(questions=questions, base={"take": take, "attempts": 2})
    assert config.setting.split.endswith(f"{take}_base_solution")
    solved = solve(read_questions(config.questions), config, Author(config, organism))
    taken = [each for each in solved if each.base is not None]
    assert taken and {each.answer.state for each in taken} == {state}
    for each in taken:
        assert each.base is not None
        told = each.base.solution.rpartition("Answer: ")[2]
        assert (told == each.question.answer) == (state == "right")
    assert all(each.why for each in solved if each.base is None)


def test_an_estimate_writes_nothing_and_counts_what_will_be_written(
    made: Path, tmp_path: Path, organism: LoadedModel
) -> None:
    with quiet():
        estimate, _ = plan_rollouts(small(), tmp_path, loaded=organism)
    assert not list(tmp_path.iterdir())
    split = made / "organism"
    drawn = [len(json.loads(p.read_text())) for p in split.rglob("solutions.json")]
    assert estimate.rollouts == sum(drawn)
    written = sum(
        row["tokens"]
        for path in (split / "planted_base_solution").rglob("solutions.json")
        for row in json.loads(path.read_text())
    )
    assert 0.5 < estimate.written / written < 2
    size = sum(path.stat().st_size for path in split.rglob("*") if path.is_file())
    assert 0.4 < estimate.bytes / size < 2.5


def test_the_study_reads_what_it_made(made: Path) -> None:
    data = {"path": str(made), "rollouts": SMALL}
    config = ThoughtAnchorsConfig.model_validate({"data": data})
    files = config.data.files()
    assert files.setting.split == "planted_base_solution" and files.problem_ids()
