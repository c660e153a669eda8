"""The doctor passes sound readers of every family, and every classical fault fails a check."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests.families import in_bfloat16

from augury.errors import CheckFailed, UsageError
from augury.models import checks, read, running
from augury.models.doctor import DoctorReport, examine
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.models.read import Padded, pad_right
from augury.traces.tokens import TokenisedTrace, tokenise
from augury.traces.trace import Trace

Tiny = Callable[[str], LoadedModel]

SITES = ("embed", "attn.0", "mlp.1", "resid.0", "resid.1", "final")
PLAN = SimpleNamespace(sites=SITES)


def _texts() -> list[Trace]:
    random = np.random.default_rng(5)
    words = [" ".join(f"w{i}" for i in random.integers(3, 64, size)) for size in (6, 24, 15)]
    return [Trace(f"t{k}", "g", "w3 w4 ", text) for k, text in enumerate(words)]


def _tokenised(loaded: LoadedModel) -> list[TokenisedTrace]:
    return [tokenise(trace, loaded.tokenizer) for trace in _texts()]


def _examine(loaded: LoadedModel, **changes: Any) -> DoctorReport:
    tokenised = changes.pop("tokenised", None) or _tokenised(loaded)
    plan = changes.pop("plan", PLAN)
    return examine(loaded, tokenised, plan, texts=_texts(), **changes)


def _failed(report: DoctorReport) -> set[str]:
    return {check.name for check in report.checks if not check.passed}


def test_every_family_passes_every_check(family: str, tiny: Tiny) -> None:
    report = _examine(tiny(family))
    assert report.passed, report.lines()
    assert {check.name for check in report.checks} >= {
        "batched equals single",
        "head reproduces logits",
        "layer index",
        "bos",
        "final norm once",
        "span round trip",
    }
    report.raise_if_failed()


@pytest.mark.parametrize("family_name", ["llama", "gpt2", "gemma2", "phi3"])
def test_bfloat16_passes_within_the_noise_of_its_own_rounding(family_name: str, tiny: Tiny) -> None:
    report = _examine(in_bfloat16(tiny(family_name)))
    assert report.passed, report.lines()
    bounds = [check.bound for check in report.checks if check.bound and check.name != "bos"]
    assert 1e-3 < min(bounds) <= max(bounds) < 0.1


def test_faults_are_far_above_the_noise_of_bfloat16(tiny: Tiny) -> None:
    half = in_bfloat16(tiny("gpt2"))
    swapped = _with_layers(half, half.blocks.layers[::-1])
    assert {"layer index", "batched equals single"} <= _failed(_examine(half, reader=swapped))
    bare = replace(half, blocks=replace(half.blocks, final_norm=torch.nn.Identity()))
    assert "final norm once" in _failed(_examine(bare))


def test_the_trained_model_passes(augury_data: object) -> None:
    loaded = load_model(ModelConfig(name=f"{augury_data}/model_stories260k", device="cpu"))
    short = load_model(loaded.config, blocks=4, head=False)
    texts = [
        Trace("a", "g", "Once upon", " a time, there was a café 😀 and a dog. It was big."),
        Trace("b", "g", "Lily ", "saw\n\na bird."),
    ]
    tokens = [tokenise(text, loaded.tokenizer) for text in texts]
    plan = SimpleNamespace(sites=("embed", "mlp.2", "resid.3"))
    report = examine(loaded, tokens, plan, reader=short, texts=texts)
    assert report.passed, report.lines()


@pytest.mark.parametrize("what", ["nothing", "mask", "positions"])
def test_mutant_reader_that_pads_on_the_left_without_mask_or_positions(
    what: str, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pad(sequences: list[np.ndarray], device: torch.device) -> Padded:
        right = pad_right(sequences, device)
        shifts = [right.input_ids.shape[1] - len(ids) for ids in sequences]
        ids, mask, positions = (
            torch.stack([row.roll(k) for row, k in zip(column, shifts, strict=True)])
            for column in right
        )
        if what == "mask":
            mask = torch.ones_like(mask)
        if what == "positions":
            positions = torch.arange(mask.shape[1]).expand_as(mask)
        return Padded(ids, mask, positions)

    def read_left(
        loaded: LoadedModel,
        sequences: list[np.ndarray],
        rows: list[np.ndarray],
        sites: list[str],
        *,
        packed: bool = False,
    ) -> dict[str, torch.Tensor]:
        assert not packed
        longest = max(map(len, sequences))
        shifted = [kept + longest - len(ids) for kept, ids in zip(rows, sequences, strict=True)]
        return read.read_rows(loaded, sequences, shifted, sites)

    monkeypatch.setattr(read, "pad_right", pad)
    monkeypatch.setattr(checks, "read_rows", read_left)
    expected = set() if what == "nothing" else {"batched equals single"}
    assert _failed(_examine(tiny("gpt2"))) == expected


@pytest.mark.parametrize(
    ("what", "family_name"), [("mask", "llama"), ("mask", "gpt2"), ("positions", "gpt2")]
)
def test_mutant_generation_without_mask_or_positions(
    what: str, family_name: str, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = running.Running.__init__

    def broken(self: Any, loaded: LoadedModel, prompts: Any) -> None:
        sound(self, loaded, prompts)
        if what == "mask":
            self.even = True
        else:
            self.positions = torch.arange(self.ids.shape[1]).expand_as(self.ids)

    monkeypatch.setattr(running.Running, "__init__", broken)
    assert _failed(_examine(tiny(family_name))) == {"generation equals single"}


def _with_layers(loaded: LoadedModel, layers: tuple[Any, ...]) -> LoadedModel:
    return replace(loaded, blocks=replace(loaded.blocks, layers=layers))


def test_mutant_reading_one_layer_off(family: str, tiny: Tiny) -> None:
    loaded = tiny(family)
    swapped = _with_layers(loaded, loaded.blocks.layers[::-1])
    assert {"layer index", "batched equals single"} <= _failed(_examine(loaded, reader=swapped))


def test_mutant_reading_the_last_block_after_the_final_norm(tiny: Tiny) -> None:
    # What a reader sees that takes `hidden_states[-1]` for the last block.
    loaded = tiny("llama")
    normed = _with_layers(loaded, (loaded.blocks.layers[0], loaded.blocks.final_norm))
    report = examine(normed, _tokenised(loaded), SimpleNamespace(sites=("resid.0", "resid.1")))
    assert "final norm once" in _failed(report)


def test_mutant_hook_that_does_not_fire(tiny: Tiny) -> None:
    loaded = tiny("llama")
    stale = _with_layers(loaded, (loaded.blocks.layers[0], copy.deepcopy(loaded.blocks.layers[1])))
    report = _examine(loaded, reader=stale)
    assert "batched equals single" in _failed(report)
    with pytest.raises(CheckFailed, match="fired 0 times"):
        report.raise_if_failed()


def test_mutant_doubled_or_missing_bos(tiny: Tiny) -> None:
    loaded = tiny("llama")
    tokenised = _tokenised(loaded)
    one = tokenised[1]
    columns = ("ids", "starts", "ends", "special", "role")
    doubled = replace(
        one,
        first_row=one.first_row + 1,
        **{c: np.r_[getattr(one, c)[:1], getattr(one, c)] for c in columns},
    )
    missing = replace(
        one, first_row=one.first_row - 1, bos=False, **{c: getattr(one, c)[1:] for c in columns}
    )
    for wrong in (doubled, missing):
        found = _failed(_examine(loaded, tokenised=[tokenised[0], wrong, tokenised[2]]))
        assert "bos" in found


def test_mutant_labels_slid_by_one_token(tiny: Tiny) -> None:
    loaded = tiny("llama")
    slid = [
        replace(one, starts=np.roll(one.starts, 1), ends=np.roll(one.ends, 1))
        for one in _tokenised(loaded)
    ]
    assert _failed(_examine(loaded, tokenised=slid)) == {"span round trip"}


def test_mutant_head_that_forgets_the_softcap(tiny: Tiny) -> None:
    loaded = tiny("gemma2")
    config = copy.deepcopy(loaded.blocks.config)
    config.final_logit_softcapping = None
    bare = replace(loaded, blocks=replace(loaded.blocks, config=config))
    assert "head reproduces logits" in _failed(_examine(bare))


def test_mutant_sub_layer_read_before_its_norm(tiny: Tiny) -> None:
    loaded = tiny("olmo2")
    early = replace(loaded, blocks=replace(loaded.blocks, attn_names=("self_attn",)))
    assert "sub-layers add up" in _failed(_examine(loaded, reader=early))


def test_an_empty_sample_is_refused(tiny: Tiny) -> None:
    with pytest.raises(UsageError, match="empty sample"):
        examine(tiny("llama"), [], PLAN)
