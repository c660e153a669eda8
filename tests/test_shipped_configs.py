"""Every shipped config reads; those of large models take their first steps with small ones.

The small ones have the published architectures, rotary scaling included, as many blocks as the
configs name sites of, the embedded model's tokenizer, and random weights.
"""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.rollout_tree import MODEL, SPLIT, write_problem
from transformers import AutoConfig, AutoModelForCausalLM

from augury.config import dump_yaml, load_config
from augury.models.load import NO_WEIGHTS, ModelConfig, load_model
from augury.models.source import ORGANISM, find_model
from augury.rollouts.config import RolloutsConfig
from augury.runs.progress import quiet
from augury.studies.registry import STUDIES, find_study
from augury.studies.shipped import configs_folder
from augury.sweeps.spec import read_spec

CONFIGS = sorted(configs_folder().rglob("*.yaml"))
LLAMA_3 = {
    "model_type": "llama",
    "rope_theta": 500000.0,
    "rope_scaling": {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
}
QWEN_2 = {
    "model_type": "qwen2",
    "rope_theta": 1000000.0,
    "rms_norm_eps": 1e-5,
    "use_sliding_window": False,
    "tie_word_embeddings": False,
    "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
}
LLAMA_8B = LLAMA_3 | {
    "vocab_size": 128256,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}
QWEN_14B = QWEN_2 | {
    "vocab_size": 152064,
    "hidden_size": 5120,
    "intermediate_size": 13824,
    "num_hidden_layers": 48,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
}
SMALL = {
    "vocab_size": 930,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
    "torch_dtype": "float32",
}
DEEP = {"num_hidden_layers": 18}
"""For configs that name blocks; the others are read faster without."""

ANCHORS = ("rollouts", "tokens", "read", "sentences")
ONE = ("reading.pilot=1",)
TRACES = ("traces", "split", "activations")
FIRST_STEPS = {
    "thought-anchors/laptop": ("qwen2-deep", ANCHORS, ONE),
    "thought-anchors/llama-8b-correct-pilot": ("llama", ANCHORS, ONE),
    "thought-anchors/qwen-14b-incorrect-full": ("qwen2", ANCHORS, ONE),
    "state-transition/r1-distill-qwen-1.5b": (
        "qwen2",
        ("prepare-data", "generate"),
        (
            "dataset.max_examples=20",
            "generation.num_samples_per_prompt=1",
            "generation.sampling.max_new_tokens=4",
        ),
    ),
    "introspection/llama-3.1-8b-instruct": ("llama", ("collect",), ()),
    "backtracking-lag/llama-3.1-8b": ("llama-deep", TRACES, ()),
    "backtracking-lag/r1-distill-llama-8b": ("llama-deep", TRACES, ()),
}


def _id(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _described(folder: Path, config: dict[str, Any]) -> Path:
    """The folder of a model without weights: config and tokenizer."""
    shutil.copytree(find_model(ORGANISM, None), folder, ignore=shutil.ignore_patterns("*.safe*"))
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for config, depth in itertools.product((LLAMA_3, QWEN_2), ({}, DEEP)):
        name = f"{config['model_type']}{'-deep' if depth else ''}"
        made[name] = _described(tmp_path_factory.mktemp("models") / name, config | SMALL | depth)
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(made[name]))
        model.save_pretrained(made[name])
    return made


@pytest.fixture(scope="module")
def adapter(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    peft = pytest.importorskip("peft")
    base = AutoModelForCausalLM.from_pretrained(models["llama"])
    settings = peft.LoraConfig(
        r=2, target_modules=["q_proj"], task_type="CAUSAL_LM", init_lora_weights=False
    )
    folder = tmp_path_factory.mktemp("adapters") / "lora"
    peft.get_peft_model(base, settings).save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `AUGURY_DATA` and `AUGURY_CHAINS` name, laid out as the configs expect it."""
    root = tmp_path_factory.mktemp("data")
    for number in range(100, 105):
        write_problem(root / "made", number, sentences=8, rollouts=10)
    for name in ("deepseek-r1-distill-llama-8b", "deepseek-r1-distill-qwen-14b"):
        for split in ("correct_base_solution", "incorrect_base_solution"):
            shutil.copytree(root / "made" / MODEL / SPLIT, root / "thought_anchors" / name / split)
    questions = [
        {"question": f"{n} pens and {n} more?", "answer": f"#### {2 * n}"} for n in range(20)
    ]
    (root / "gsm8k").mkdir()
    (root / "gsm8k" / "test.jsonl").write_text("\n".join(map(json.dumps, questions)))
    (root / "english_text").mkdir()
    (root / "english_text" / "austen-emma.txt").write_text("A plain text. " * 50)
    chains = []
    for n in range(10):
        steps = [("deduction", f"It is {n}."), ("backtracking", f"Wait, is it {n + 1}?")]
        chain = {
            "task_id": f"t{n}",
            "problem": f"What is {n}?",
            "reasoning_chain": " ".join(text for _, text in steps),
            "annotated_chain": " ".join(f'["{k}"]{text}["end-section"]' for k, text in steps),
        }
        chains.append(chain)
    (root / "all_annotated_chains.json").write_text(json.dumps(chains))
    mcq = [
        {"question": f"What is {n} + 1?", "correct_answer": str(n + 1), "distractors": list("789")}
        for n in range(4)
    ]
    (root / "SimpleMC.jsonl").write_text("\n".join(map(json.dumps, mcq)))
    return root


@pytest.mark.parametrize("path", CONFIGS, ids=_id)
def test_every_shipped_config_is_read_by_what_it_is_for(path: Path) -> None:
    if path.parent.name == "sweeps":
        assert read_spec(path).study in STUDIES
    elif path.parent.name == "rollouts":
        load_config(RolloutsConfig, path)
    else:
        study = find_study(path.parent.name)
        assert study.read_config(path, ()) == study.read_config(Path(path.stem), ())


@pytest.mark.parametrize("size", ["pilot", "full"])
def test_the_four_settings_differ_in_model_and_solutions_alone(size: str) -> None:
    found: set[str] = set()
    for model in ("llama-8b", "qwen-14b"):
        for split in ("correct", "incorrect"):
            path = configs_folder() / "thought-anchors" / f"{model}-{split}-{size}.yaml"
            config = find_study("thought-anchors").read_config(path, ())
            name = config.data.model
            assert name == f"deepseek-r1-distill-{model}"
            assert config.model.name.lower() == f"deepseek-ai/{name}"
            assert config.data.split == f"{split}_base_solution"
            same = ["model.name=a", "data.model=a", "data.split=a"]
            found.add(dump_yaml(find_study("thought-anchors").read_config(path, same)))
    assert len(found) == 1


@pytest.mark.parametrize("name", FIRST_STEPS)
def test_a_config_for_a_large_model_takes_its_first_steps_with_a_small_one(
    name: str,
    models: dict[str, Path],
    data: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("AUGURY_DATA", str(data))
    monkeypatch.setenv("AUGURY_CHAINS", str(data))
    monkeypatch.chdir(data)
    family, stages, more = FIRST_STEPS[name]
    overrides = [f"model.name={models[family]}", *more]
    if name.startswith("introspection/"):
        overrides.append(f"model.adapter={request.getfixturevalue('adapter')}")
    study = find_study(name.partition("/")[0])
    config = study.read_config(configs_folder() / f"{name}.yaml", overrides)
    run = study.start(tmp_path, config, "first")
    with quiet():
        for stage in stages:
            study.execute(run, config, only=stage)
    done = [one.name for one in study.plan(run, config) if one.status == "done"]
    assert done[: len(stages)] == list(stages)


@pytest.mark.parametrize(
    ("config", "weights"), [(LLAMA_8B, 8_030_261_248), (QWEN_14B, 14_770_033_664)]
)
def test_large_models_have_their_published_number_of_weights_without_them(
    config: dict[str, Any], weights: int, tmp_path: Path
) -> None:
    folder = _described(tmp_path / "model", config)
    bare = ModelConfig(name=str(folder)).model_copy(update={"device": NO_WEIGHTS})
    assert sum(p.numel() for p in load_model(bare).model.parameters()) == weights
