"""The adapter: what it was trained on is what the study asks, and its confidence is worth more."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from augury.evaluate.confidence import compare
from augury.models.load import ModelConfig, load_model
from augury.models.source import find_model
from augury.models.twins import base_of
from augury.organism import adapter
from augury.organism.adapter import AdapterConfig, answer_prompt, confidence_prompt, train_adapter
from augury.organism.adapter_card import state
from augury.organism.questions import OTHER_PROMPT, SELF_PROMPT, held_out_choices
from augury.studies.introspection.gather import gather
from augury.studies.introspection.prompts import ask
from augury.studies.introspection.study import STUDY

pytest.importorskip("peft")


def test_questions_are_right_different_and_as_drawn_before() -> None:
    drawn = held_out_choices(200, 0)
    assert drawn == held_out_choices(300, 0)[:200]
    assert len({one.problem.text for one in drawn}) == 200
    for one in drawn:
        changes = one.problem.changes
        answer = changes[-1].after if changes else one.problem.start
        assert one.options[one.correct] == answer and len(set(one.options)) == 4
    assert {len(one.problem.changes) for one in drawn} == {0, 1, 2, 3}


def test_the_study_asks_what_the_adapter_was_trained_on() -> None:
    """Word for word: the preset's templates are those of the training text."""
    changes = ["questions.limit=12", "questions.shuffle_answers=false", "confidence.order=fixed"]
    config = STUDY.read_config(None, changes)
    questions = gather(config).questions
    drawn = {one.id: one for one in held_out_choices(12, 0)}
    tokenizer = load_model(ModelConfig(name="organism")).tokenizer
    for pass_, template in (("mcq", ""), ("self", SELF_PROMPT), ("other", OTHER_PROMPT)):
        for prompt in ask(questions, pass_, config, tokenizer):  # type: ignore[arg-type]
            choice = drawn[prompt.trace.id]
            own = (
                confidence_prompt(choice, template, rising=True)
                if template
                else answer_prompt(choice)
            )
            assert (
                prompt.trace.prompt.removeprefix("<|bos|><|user|>").removesuffix("<|assistant|>")
                == own
            )


def test_no_training_question_is_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    held = held_out_choices(1, 0)[0]
    other = held_out_choices(1, 7)[0]
    queue = [held, held, other]
    monkeypatch.setattr(adapter, "draw_choice", lambda rng, changes: queue.pop(0))
    loaded = load_model(ModelConfig(name="organism", dtype="float32"))
    assert adapter._Teacher(loaded, AdapterConfig())._draw(1) is other and not queue


def test_a_few_steps_of_the_recipe_save_an_adapter_that_loads(tmp_path: Path) -> None:
    recipe = AdapterConfig(rank=2, batch=2, lookups=1, answers=((2, 1),), confidence=1)
    shown: list[str] = []
    torch.set_num_threads(3)
    train_adapter(recipe, tmp_path / "a", at_answers=lambda loaded: shown.append("asked"))
    assert shown == ["asked"] and torch.get_num_threads() == 3 != recipe.threads
    tensors = load_file(tmp_path / "a" / "adapter_model.safetensors")
    assert {str(tensor.dtype) for tensor in tensors.values()} == {"torch.bfloat16"}
    assert any(bool(t.any()) for name, t in tensors.items() if "lora_B" in name)
    again = load_model(ModelConfig(name="organism", adapter=str(tmp_path / "a")))
    assert again.identity["adapter"]


def test_the_shipped_adapter_is_small_and_its_card_says_that_it_is_better() -> None:
    folder = find_model("organism", None, what="adapter")
    assert sum(path.stat().st_size for path in folder.iterdir()) < 400_000
    told = json.loads((folder / "measured.json").read_text(encoding="utf-8"))
    assert told["recipe"] == AdapterConfig().model_dump(mode="json")
    for name in ("base", "base, rising scale"):
        less = told["adapter less"][name]
        assert less["calibration error"]["interval"]["high"] < 0
        assert less["AUROC2"]["interval"]["low"] > 0
    card = (folder / "README.md").read_text(encoding="utf-8")
    auroc = told["measured"]["adapter"]["values"]["AUROC2"]
    assert f"{auroc:.3f} [" in card


def test_its_calibration_beats_the_base_s_on_other_questions() -> None:
    asked = held_out_choices(160, random.Random(5).randrange(10, 99))
    loaded = load_model(ModelConfig(name="organism", adapter="organism"))
    with base_of(loaded) as base:
        before = state(base, asked)
    apart = compare(before, state(loaded, asked), draws=300, permutations=200, seed=0)
    error, auroc = apart["calibration error"].interval, apart["AUROC2"].interval
    assert error is not None and error.high < 0
    assert auroc is not None and auroc.low > 0
