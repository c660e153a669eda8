"""Whatever can change a value: changed for real, one at a time, and refused with its name."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from augury.activations import extract as extract_module
from augury.activations import layout
from augury.activations.extract import extract
from augury.activations.inventory import describe
from augury.activations.plan import ReadingPlan
from augury.errors import ConfigError
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.traces.tokens import tokenise
from augury.traces.trace import Trace

TOKENIZER = Path(str(files("augury") / "organism" / "weights"))

PLAN = ReadingPlan(sites=("embed", "mlp.0"), rows="spans", pooling="max", batch_tokens=64)


@dataclass(frozen=True)
class Job:
    """What a user gives to an extraction."""

    model: ModelConfig
    plan: ReadingPlan = PLAN
    texts: tuple[str, ...] = ("one and two make three", "Wait, no.")
    prompt: str = "Q: "
    facts: dict[str, object] = field(default_factory=lambda: {"job": "a"})
    tokens: int = 2
    """Of each span; the first two of every completion are one."""

    def run(self, store: Path, change: Callable[[LoadedModel], LoadedModel] = lambda x: x) -> None:
        loaded = change(load_model(self.model))
        traces = [Trace(f"t{k}", "g", self.prompt, text) for k, text in enumerate(self.texts)]
        tokens = [tokenise(trace, loaded.tokenizer) for trace in traces]
        spans = [np.array([[one.first_row, one.first_row + self.tokens]]) for one in tokens]
        chosen = spans if self.plan.rows == "spans" else None
        extract(loaded, tokens, self.plan, store, spans=chosen, facts=self.facts)

    @property
    def folder(self) -> Path:
        return Path(self.model.name)

    def with_model(self, **changes: Any) -> Job:
        return replace(self, model=self.model.model_copy(update=changes))


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("hub") / "snapshots" / "commit-a"
    size = json.loads((TOKENIZER / "config.json").read_text())["vocab_size"]
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    for file in TOKENIZER.glob("tokenizer*"):
        shutil.copy(file, folder)
    _adapter(folder.parents[1] / "adapter-a", folder, seed=1)
    _adapter(folder.parents[1] / "adapter-b", folder, seed=2)
    names = {"mlp": "mlp"}
    adapter = str(folder.parents[1] / "adapter-a")
    return Job(ModelConfig(name=str(folder), adapter=adapter, module_names=names))


def _adapter(to: Path, base: Path, seed: int) -> None:
    peft = pytest.importorskip("peft")
    torch.manual_seed(seed)
    model = LlamaForCausalLM.from_pretrained(base)
    lora = peft.LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    peft.get_peft_model(model, lora).save_pretrained(to)


def _copied(job: Job, to: Path, name: str, edit: Callable[[bytes], bytes]) -> Job:
    """The same job on a copy of the model in which one file is another."""
    folder = to / "snapshots" / job.folder.name
    shutil.copytree(job.folder, folder)
    (folder / name).write_bytes(edit((folder / name).read_bytes()))
    return job.with_model(name=str(folder))


def _last_bit(data: bytes) -> bytes:
    # The least significant bit of the last float32.
    return data[:-4] + bytes([data[-4] ^ 1]) + data[-3:]


def _renamed(job: Job, to: Path) -> Job:
    shutil.copytree(job.folder, to / "snapshots" / "commit-b")
    return job.with_model(name=str(to / "snapshots" / "commit-b"))


FILES: dict[str, Callable[[Job, Path], Job]] = {
    "identity.revision": _renamed,
    "identity.weights": lambda job, to: _copied(job, to, "model.safetensors", _last_bit),
    "identity.model_config": lambda job, to: _copied(
        job, to, "config.json", lambda data: data.replace(b"1e-06", b"1e-05")
    ),
    "identity.tokenizer": lambda job, to: _copied(
        job, to, "tokenizer_config.json", lambda data: data.replace(b"{", b'{"x": 1,', 1)
    ),
    "identity.adapter": lambda job, to: job.with_model(
        adapter=str(job.folder.parents[1] / "adapter-b")
    ),
}
SETTINGS: dict[str, Callable[[Job], Job]] = {
    "identity.dtype": lambda job: job.with_model(dtype="bfloat16"),
    "module_names.mlp": lambda job: job.with_model(module_names={"mlp": "self_attn"}),
    "plan.sites": lambda job: replace(job, plan=_plan(job, sites=("embed",))),
    "plan.rows": lambda job: replace(job, plan=_plan(job, rows="all")),
    "plan.pooling": lambda job: replace(job, plan=_plan(job, pooling="last")),
    "anchors": lambda job: replace(job, tokens=1),
    "plan.dtype": lambda job: replace(job, plan=_plan(job, dtype="bfloat16")),
    "plan.batch_tokens": lambda job: replace(job, plan=_plan(job, batch_tokens=65)),
    "batching": lambda job: replace(job, plan=_plan(job, batching="padded")),
    "traces.count": lambda job: replace(job, texts=job.texts[:1]),
    "traces.content": lambda job: replace(job, texts=(job.texts[0], "Wait, so.")),
    "traces.content of a template": lambda job: replace(job, prompt="Question: "),
    "traces.content of an order": lambda job: replace(job, texts=job.texts[::-1]),
    "facts.job": lambda job: replace(job, facts={"job": "b"}),
}
PROCESS: dict[str, Callable[[pytest.MonkeyPatch], object]] = {
    "format": lambda patch: [
        patch.setattr(module, "FORMAT", layout.FORMAT + 1) for module in (layout, extract_module)
    ],
    "machine.processor": lambda patch: patch.setattr(
        torch.backends.cpu, "get_cpu_capability", lambda: "other"
    ),
    "machine.threads": lambda _: torch.set_num_threads(torch.get_num_threads() + 1),
    "machine.matmul_precision": lambda _: torch.set_float32_matmul_precision("medium"),
}
MODELS: dict[str, Callable[[LoadedModel], LoadedModel]] = {
    # Other devices, kernels and versions need not exist here.
    name: lambda loaded, name=name: replace(  # type: ignore[misc]
        loaded, identity={**loaded.identity, name.partition(".")[2]: "other"}
    )
    for name in (
        "identity.device",
        "identity.attention_kernel",
        "identity.torch",
        "identity.transformers",
    )
}


def _plan(job: Job, **changes: Any) -> ReadingPlan:
    return job.plan.model_copy(update=changes)


def _tree(path: Path) -> dict[str, str]:
    kept = [file for file in sorted(path.rglob("*")) if file.is_file()]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in kept}


@pytest.fixture
def store(job: Job, tmp_path: Path) -> Path:
    job.run(tmp_path / "store")
    return tmp_path / "store"


@pytest.mark.parametrize("name", [*FILES, *SETTINGS, *PROCESS, *MODELS])
def test_any_other_field_is_refused_with_what_is_stored_and_what_is_now(
    name: str, job: Job, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _tree(store)
    other = FILES[name](job, tmp_path) if name in FILES else job
    other = SETTINGS.get(name, lambda same: same)(other)
    PROCESS.get(name, lambda _: None)(monkeypatch)
    leaf = name.partition(" ")[0]
    with pytest.raises(ConfigError, match=rf"\n  {leaf}: stored .+ / now .+\n") as caught:
        other.run(store, MODELS.get(name, lambda same: same))
    assert caught.value.code == 78
    assert _tree(store) == before


def test_there_is_a_change_for_every_field_of_a_store(store: Path) -> None:
    changed = {name.partition(" ")[0] for name in [*FILES, *SETTINGS, *PROCESS, *MODELS]}
    stored = {line.strip().partition(":")[0] for line in describe(store).lines()[1:]}
    assert changed == stored


def test_the_same_job_is_reused_whatever_its_files_are_called(
    job: Job, store: Path, tmp_path: Path
) -> None:
    before = _tree(store)
    _copied(job, tmp_path, "config.json", lambda same: same).run(store)
    replace(job, plan=_plan(job, batching="packed")).run(store)
    replace(job, plan=_plan(job, labels=("renamed",))).run(store)
    assert _tree(store) == before


def test_a_plan_made_in_another_way_needs_another_format() -> None:
    """Batches decide the order of sums, so whoever changes how they are made raises `FORMAT`."""
    lengths = [7, 23, 2, 23, 14, 9, 30, 5, 1, 11]
    plans = [extract_module.plan_batches(lengths, 50, packed=packed) for packed in (True, False)]
    assert (layout.FORMAT, plans) == (
        4,
        [
            ((6,), (1, 3), (4, 9, 5, 0, 7, 2, 8)),
            ((6,), (1, 3), (4, 9, 5), (0, 7, 2, 8)),
        ],
    )
