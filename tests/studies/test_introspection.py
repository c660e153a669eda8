"""Collecting, inspecting, comparing: the same tokens, the right token, nothing lost by a kill."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from augury.activations.extract import extract
from augury.activations.store import Store
from augury.cli.introspection import app
from augury.errors import CheckFailed, ConfigError, DataError
from augury.models.load import LoadedModel
from augury.runs.folder import Run
from augury.studies.introspection.answers import record_answers
from augury.studies.introspection.collection import Collection, rows_at
from augury.studies.introspection.config import POSITIONS, IntrospectionConfig, QuestionConfig
from augury.studies.introspection.export import export_collection
from augury.studies.introspection.gather import gather
from augury.studies.introspection.head_check import check_head
from augury.studies.introspection.job import Job, prepared, spans_of
from augury.studies.introspection.study import STUDY

peft = pytest.importorskip("peft")

SMALL = (
    "questions.limit=24",
    "states.sites=[resid.1, resid.4]",
    "states.batch_tokens=512",
    "analysis.draws=100",
    "analysis.permutations=200",
    "analysis.shuffles=1",
    "analysis.causal.draws=19",
    "analysis.causal.doses=[0.2]",
    "analysis.causal.sites=[resid.1]",
)


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random adapter: what is tested here is not what it was taught."""
    from transformers import AutoModelForCausalLM

    from augury.models.source import find_model

    torch.manual_seed(3)
    base = AutoModelForCausalLM.from_pretrained(find_model("organism", None), dtype=torch.float32)
    settings = peft.LoraConfig(r=2, target_modules=["v_proj", "up_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(base, settings)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.05)
    folder = tmp_path_factory.mktemp("adapters") / "lora"
    model.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def config(adapter: Path) -> IntrospectionConfig:
    return STUDY.read_config(None, [*SMALL, f"model.adapter={adapter}"])


@pytest.fixture(scope="module")
def run(config: IntrospectionConfig, tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = STUDY.start(tmp_path_factory.mktemp("runs"), config, "both")
    for step in ("collect", "inspect", "compare"):
        STUDY.execute(made, config, only=step)
    return made


@pytest.fixture(scope="module")
def collection(run: Run) -> Collection:
    return Collection(run)


@pytest.fixture(scope="module")
def job(config: IntrospectionConfig) -> Job:
    model = config.model.model_copy(update={"adapter": None})
    return prepared(config.model_copy(update={"model": model}))


def _tables(collection: Collection) -> Iterator[tuple[str, str, pl.DataFrame]]:
    for model in collection.models:
        for pass_ in collection.passes:
            yield model, pass_, collection.items(model, pass_)


def test_every_model_and_pass_has_the_same_questions_in_the_same_order(
    collection: Collection,
) -> None:
    assert collection.models == ("base", "adapter")
    assert collection.passes == ("mcq", "self", "other")
    ids = [items["question_id"].to_list() for _, _, items in _tables(collection)]
    assert len(ids[0]) == 24 and ids[0] == sorted(set(ids[0])) and all(one == ids[0] for one in ids)
    for pass_ in collection.passes:
        hashes = [
            collection.items(m, pass_)["prompt_ids_hash"].to_list() for m in collection.models
        ]
        assert hashes[0] == hashes[1]
    one = collection.items("base", "mcq")
    other = collection.items("adapter", "mcq")
    assert one["adapter_hash"].to_list() != other["adapter_hash"].to_list()
    assert not np.allclose(one["entropy"].to_numpy(), other["entropy"].to_numpy())


def test_items_say_all_that_the_first_version_did(collection: Collection) -> None:
    shared = (
        "question_id question_text options correct_answer_letter model_name checkpoint_id "
        "prompt_type prompt_text temperature top_p max_new_tokens output_text parsed_answer logits "
        "probs entropy char_length token_length question_type has_negation has_ambiguity "
        "rarity_mean rarity_max option_mass full_entropy group split correct_option"
    ).split()
    own = {
        "mcq": {"is_correct", "logit_margin", "answer_token_index"},
        "self": {"self_confidence", "confidence_token_index"},
        "other": {"other_confidence", "confidence_token_index"},
    }
    for _, pass_, items in _tables(collection):
        assert {*shared, *own[pass_]} <= set(items.columns)
        sizes = {len(row) for row in items["logits"]} | {len(row) for row in items["probs"]}
        assert sizes == ({4} if pass_ == "mcq" else {8})


def test_answers_are_what_their_numbers_say(collection: Collection) -> None:
    items = collection.items("base", "mcq")
    probs = np.array(items["probs"].to_list())
    chosen = probs.argmax(axis=1)
    assert items["parsed_answer"].to_list() == ["ABCD"[k] for k in chosen]
    right = chosen == items["correct_option"].to_numpy()
    assert items["is_correct"].to_list() == right.tolist()
    assert ((items["logit_margin"].to_numpy() > 0) == right).all()
    for row in items.to_dicts():
        options = json.loads(row["options"])
        found = re.findall(r"- (\d+) ([A-D])", row["prompt_text"])
        shown = {letter: text for text, letter in found}
        assert shown == options
        assert options[row["correct_answer_letter"]] == options["ABCD"[row["correct_option"]]]
    stated = collection.items("base", "self")
    middles = np.array(collection.midpoints)
    np.testing.assert_allclose(
        stated["self_confidence"].to_numpy(), np.array(stated["probs"].to_list()) @ middles
    )


def test_letters_mean_another_bin_at_about_half_of_the_questions(
    config: IntrospectionConfig,
) -> None:
    many = config.model_copy(update={"questions": QuestionConfig(limit=200)})
    questions = gather(many).questions
    letters = np.bincount([question.correct for question in questions], minlength=4)
    assert letters.min() > 25
    again = {question.id: question.shown for question in gather(many).questions}
    assert again == {question.id: question.shown for question in questions}
    few = config.model_copy(update={"questions": QuestionConfig(limit=20)})
    assert all(again[question.id] == question.shown for question in gather(few).questions)


def test_scales_run_both_ways_and_logits_follow_the_bins(collection: Collection) -> None:
    items = collection.items("adapter", "self")
    kinds = items["symbols"].value_counts()
    assert set(kinds["symbols"]) == {"STUVWXYZ", "ZYXWVUTS"} and kinds["count"].min() >= 4
    ids = collection.option_ids("self")
    falling = items["symbols"].to_list().index("ZYXWVUTS")
    rising = items["symbols"].to_list().index("STUVWXYZ")
    assert ids[falling] == ids[rising][::-1]
    assert "from Z (none) to S (all)" in items["prompt_text"][falling]


def test_positions_are_where_their_names_say(collection: Collection) -> None:
    for pass_ in collection.passes:
        items = collection.items("base", pass_)
        prompts = collection.prompt_ids("base", pass_)
        where = [collection.position_index(pass_, name) for name in POSITIONS]
        assert (np.diff(np.array(where), axis=0) > 0).all()
        assert (where[2] == [len(ids) - 1 for ids in prompts]).all()
        assert set(items["question_end_token"]) == {"?"}
        assert all(token.strip() in "ABCD" for token in items["options_end_token"])
        assert set(items["final_token"]) == {"<|assistant|>"}


@pytest.mark.parametrize("batching", ["packed", "padded"])
def test_the_head_on_stored_states_gives_the_recorded_logits_at_every_row(
    job: Job, tmp_path: Path, batching: str
) -> None:
    """Answers are read padded on the left; states packed, or padded on the right."""
    prompts = job.prompts["self"]
    parts = [prompt.tokens for prompt in prompts]
    assert len({len(part) for part in parts}) > 5
    plan = job.readings["self"].plan.model_copy(update={"batching": batching})
    store = extract(job.loaded, parts, plan, tmp_path / "s", spans=spans_of(prompts, parts, plan))
    ids = [part.ids.tolist() for part in parts]
    answers = record_answers(
        job.loaded, ids, job.options("self"), tmp_path / "a", batch_tokens=512, what="asking"
    )
    final = np.array([prompt.positions[-1] for prompt in prompts])
    found = check_head(job.loaded, store, rows_at(store, final), job.options("self"), answers)
    assert found.rows == 24 and found.worst < 1e-4 and found.disagreeing == 0
    alone = _alone(job.loaded, ids[7])
    np.testing.assert_allclose(answers.normaliser[7], alone.logsumexp(0), atol=1e-4)
    rows = rows_at(store, final)
    rows[5] -= 1
    with pytest.raises(CheckFailed, match="spreads from the recorded ones"):
        check_head(job.loaded, store, rows, job.options("self"), answers)


@torch.no_grad()
def _alone(loaded: LoadedModel, ids: Sequence[int]) -> torch.Tensor:
    logits: torch.Tensor = loaded.model(torch.tensor([list(ids)])).logits[0, -1].double()
    return logits


def test_answers_of_other_prompts_are_refused(job: Job, tmp_path: Path) -> None:
    def asked(pass_: str) -> None:
        ids = [prompt.tokens.ids.tolist() for prompt in job.prompts[pass_]]  # type: ignore[index]
        options = job.options(pass_)  # type: ignore[arg-type]
        record_answers(job.loaded, ids, options, tmp_path / "a", batch_tokens=4096, what="asking")

    asked("mcq")
    with pytest.raises(ConfigError, match="answers of another model, or to other prompts"):
        asked("self")


def test_two_runs_of_one_model_each_join_by_key(
    config: IntrospectionConfig, run: Run, collection: Collection, tmp_path: Path
) -> None:
    alone = config.model_copy(update={"only": "base"})
    made = STUDY.start(tmp_path, alone, "base")
    STUDY.execute(made, alone, only="collect")
    other = Collection(made)
    assert other.models == ("base",)
    for pass_ in collection.passes:
        assert other.items("base", pass_).equals(collection.items("base", pass_))
        paths = [one.store("base", pass_).path for one in (other, collection)]
        shards = [sorted((path / "shards").iterdir()) for path in paths]
        assert [f.read_bytes() for f in shards[0]] == [f.read_bytes() for f in shards[1]]


def test_comparison_is_by_question(run: Run, collection: Collection) -> None:
    table = pl.read_csv(run.path / "results" / "compare_self.csv")
    base, adapter = (collection.items(model, "self") for model in ("base", "adapter"))
    assert table["question_id"].to_list() == base["question_id"].to_list()
    change = adapter["self_confidence"].to_numpy() - base["self_confidence"].to_numpy()
    np.testing.assert_allclose(table["self_confidence_change"].to_numpy(), change)
    told = json.loads((run.path / "results" / "compare.json").read_text())
    assert set(told["confidence"]["measures"]) >= {"calibration error", "AUROC2"}
    final = [r["cosine"] for r in told["states"] if r["site"] == "final"]
    assert max(final) < 0.9999
    assert "question by question" in (run.path / "compare.html").read_text()


def test_the_export_is_read_by_plain_numpy(collection: Collection, tmp_path: Path) -> None:
    export_collection(collection, "adapter", tmp_path / "x")
    folders = {"mcq": "mcq", "self": "self_conf", "other": "other_conf"}
    for pass_, folder in folders.items():
        items = collection.items("adapter", pass_)
        metadata = json.loads((tmp_path / "x" / folder / "metadata.json").read_text())
        assert [row["question_id"] for row in metadata] == items["question_id"].to_list()
        acts = np.load(tmp_path / "x" / folder / "activations_layer_01.npy")
        assert acts.shape == (24, 3, 128) and acts.dtype == np.float32
        for place, name in enumerate(POSITIONS):
            states = collection.states("adapter", pass_, "resid.1", name)
            np.testing.assert_array_equal(acts[:, place], states)
    told = json.loads((tmp_path / "x" / "run_config.json").read_text())
    assert told["axes"] == ["question", "position", "hidden"]


def test_all_tokens_are_kept_ragged_and_exported_with_offsets(tmp_path: Path) -> None:
    config = STUDY.read_config(
        None,
        [*SMALL[1:], "questions.limit=6", "states.rows=all", "passes=[mcq]", "model.adapter=null"],
    )
    made = STUDY.start(tmp_path, config, "all")
    STUDY.execute(made, config, only="collect")
    whole = Collection(made)
    prompts = whole.prompt_ids("base", "mcq")
    assert whole.store("base", "mcq").n_rows == sum(map(len, prompts))
    export_collection(whole, "base", tmp_path / "x")
    acts = np.load(tmp_path / "x" / "mcq" / "activations_layer_04.npy")
    offsets = np.load(tmp_path / "x" / "mcq" / "offsets.npy")
    assert acts.shape == (offsets[-1], 128) and np.diff(offsets).tolist() == list(map(len, prompts))
    final = whole.states("base", "mcq", "resid.4", "final")
    np.testing.assert_array_equal(acts[offsets[1:] - 1], final)


def test_answers_without_probability_are_flagged_or_refused(tmp_path: Path) -> None:
    asked = ["prompting.mcq='{question} {options} Now tell a story.'", "passes=[mcq]"]
    few = [*SMALL[1:], "questions.limit=6", "model.adapter=null", *asked]
    config = STUDY.read_config(None, few)
    made = STUDY.start(tmp_path, config, "flagged")
    STUDY.execute(made, config, only="collect")
    items = Collection(made).items("base", "mcq")
    mass = items["option_mass"].to_numpy()
    assert items["gated"].to_list() == (mass < 0.5).tolist() and 0 < mass.min() < 0.5
    strict = STUDY.read_config(None, [*few, "gate.refuse=true", "gate.least_mass=0.999"])
    with pytest.raises(CheckFailed, match=r"hold less than 0\.999 of the probability in 6 of 6"):
        STUDY.execute(STUDY.start(tmp_path, strict, "refused"), strict, only="collect")


def test_shared_letters_are_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = STUDY.read_config(
        None, [*SMALL[1:], "questions.limit=6", "model.adapter=null", "confidence.symbols=ABCDEFGH"]
    )
    made = STUDY.start(tmp_path, config, "shared")
    facts = STUDY.execute(made, config, only="collect")[0].facts
    assert "A, B, C, D stand for answers and for confidence" in facts["warnings"][0]
    assert facts["warnings"][0] in capsys.readouterr().err


def test_questions_that_cannot_be_asked_are_listed(tmp_path: Path) -> None:
    rows = [
        {"qid": "ok", "question": "A?", "correct_answer": "1.", "distractors": ["2", "3", "4"]},
        {"qid": "twice", "question": "B?", "correct_answer": "1", "distractors": ["1", "3", "4"]},
        {"qid": "few", "question": "C?", "correct_answer": "1", "distractors": ["3"]},
        {"qid": "same", "question": "a", "correct_answer": "1", "distractors": ["5", "3", "4"]},
        {"qid": "many", "question": "D?", "correct_answer": "1", "distractors": list("234567")},
        {"qid": "last", "question": "E?", "correct_answer": "1", "distractors": ["", "3", "4"]},
        {"qid": "third", "question": "F?", "correct_answer": "1", "distractors": ["2", "3", "4"]},
    ]
    path = tmp_path / "q.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    questions = QuestionConfig(source="simple-mc", path=str(path))
    found = gather(IntrospectionConfig(questions=questions))
    assert dict(found.left_out) == {
        "twice": "the option '1' stands twice",
        "few": "2 options",
        "last": "an option is empty",
    }
    by_id = {question.id: question for question in found.questions}
    assert by_id["ok"].options[by_id["ok"].correct] == "1"
    assert by_id["ok"].group == by_id["same"].group and by_id["ok"].split == by_id["same"].split
    assert len(by_id["many"].options) == 4
    assert by_id["many"].options[by_id["many"].correct] == "1"
    path.write_text(json.dumps(rows[1]) + "\n")
    with pytest.raises(DataError, match="none of 1 can be asked"):
        gather(IntrospectionConfig(questions=questions))


def test_a_killed_collection_goes_on_and_ends_with_the_same_bytes(
    run: Run, config: IntrospectionConfig, tmp_path: Path
) -> None:
    """Killed once, then interrupted (which prints how to go on), then finished."""
    made = STUDY.start(tmp_path, config, "killed")
    verbs = (["run", "introspection", "--stage", "collect"], ["introspection", "collect"])
    stops = (signal.SIGKILL, signal.SIGINT)
    answers = made.path / "data" / "answers"
    for verb, stop, wanted in zip(verbs, stops, ("base_self", "adapter_mcq"), strict=True):
        command = [sys.executable, "-c", "from augury.cli.app import main; main()", *verb]
        command += ["--run", "killed", "--runs", str(tmp_path)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
            while child.poll() is None and not (answers / f"{wanted}.jsonl").is_file():
                time.sleep(0.002)
            os.kill(child.pid, stop)
            told = child.communicate()[1]
        assert child.returncode == (-signal.SIGKILL if stop == signal.SIGKILL else 130)
    assert f"to go on: augury introspection collect --run killed --runs {tmp_path}" in told
    assert not (made.path / "data" / "collected.json").is_file()
    STUDY.execute(made, config, only="collect")
    for folder in ("data/answers", "data/items", "data/prompts", "data/activations"):
        for path in sorted((run.path / folder).rglob("*")):
            if path.is_file() and path.name != "lock":
                again = made.path / path.relative_to(run.path)
                assert again.read_bytes() == path.read_bytes(), path


def test_verify_applies_the_head_again_and_tripwires_pass(
    run: Run, config: IntrospectionConfig
) -> None:
    assert len(STUDY.verify(run, config)) == 6
    assert all(wire.passed for wire in STUDY.tripwires(run))
    assert isinstance(Collection(run).store("base", "mcq"), Store)


def test_the_verbs_of_the_first_version(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = ["--runs", str(run.path.parents[1])]
    ledger = (run.path / "stages.jsonl").read_bytes()
    app(["inspect", "--run", "both", "--show-examples", "1", *runs], standalone_mode=False)
    assert (run.path / "stages.jsonl").read_bytes() == ledger
    out = capsys.readouterr().out
    assert "base mcq: 24 questions, accuracy" in out and "--- " in out
    app(
        ["compare", "both", "both", "--models", "base,adapter", "--to", str(tmp_path / "c"), *runs],
        standalone_mode=False,
    )
    assert (tmp_path / "c" / "compare.html").is_file()
    app(
        ["export", str(tmp_path / "e"), "--run", "both", "--model", "base", *runs],
        standalone_mode=False,
    )
    assert (tmp_path / "e" / "mcq" / "activations_layer_01.npy").is_file()
    with pytest.raises(Exception, match="tokens, not questions"):
        app(["collect", "--batch-size", "4", *runs], standalone_mode=False)
