"""Queries, keys and logits: what attention and the head really compute with, and nothing else."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests.families import in_bfloat16
from transformers import AttentionInterface, AttentionMaskInterface

from augury.errors import CheckFailed, ConfigError
from augury.models import attention, checks, hooks
from augury.models.attention import attention_settings, attention_weights
from augury.models.blocks import Blocks
from augury.models.doctor import DoctorReport, examine
from augury.models.load import LoadedModel, load_model
from augury.models.read import read_rows, site_widths
from augury.models.reference import distance, reference_of
from augury.traces.tokens import tokenise
from augury.traces.trace import Trace

Tiny = Callable[[str], LoadedModel]
HEADS = ["query.0", "key.0", "query.1", "key.1"]
PACKING = pytest.mark.parametrize("packing", [False, True], ids=["padded", "packed"])


def _split(
    loaded: LoadedModel, sequences: list[np.ndarray], sites: list[str], packing: bool
) -> list[dict[str, torch.Tensor]]:
    """Rows of every token, one mapping per text."""
    rows = [np.arange(len(ids)) for ids in sequences]
    states = read_rows(loaded, sequences, rows, sites, packed=packing)
    pieces = [states[site].split([len(ids) for ids in sequences]) for site in sites]
    return [dict(zip(sites, of_text, strict=True)) for of_text in zip(*pieces, strict=True)]


def _eager_weights(loaded: LoadedModel, ids: np.ndarray) -> tuple[torch.Tensor, ...]:
    """[head, token, token] per block, as transformers gives them out for a text alone."""
    model = loaded.model
    own = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        one = torch.from_numpy(ids.astype(np.int64))[None]
        return tuple(weights[0] for weights in model(one, output_attentions=True).attentions)
    finally:
        model.set_attn_implementation(own)


@PACKING
def test_rows_give_the_attention_weights_that_transformers_gives_out(
    family: str, packing: bool, tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    loaded = tiny(family)
    settings = [attention_settings(loaded.blocks, block) for block in (0, 1)]
    for ids, rows in zip(sequences, _split(loaded, sequences, HEADS, packing), strict=True):
        for block, wanted in enumerate(_eager_weights(loaded, ids)):
            query, key = rows[f"query.{block}"], rows[f"key.{block}"]
            ours = attention_weights(query, key, settings[block])
            torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-5)


def test_settings_are_those_of_the_family(tiny: Tiny) -> None:
    told = {name: attention_settings(tiny(name).blocks, 0) for name in ("llama", "gemma2", "gpt2")}
    assert told["llama"] == (4, 2, 8**-0.5, None, None)
    assert told["gemma2"] == (4, 2, 8**-0.5, 2.0, 8)
    assert told["gpt2"] == (4, 4, 8**-0.5, None, None)
    # Every other block of this family sees all.
    assert attention_settings(tiny("gemma2").blocks, 1).window is None


@pytest.mark.parametrize("without", ["window", "softcap", "scaling"])
def test_weights_without_a_setting_are_others(
    without: str, tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    loaded, ids = tiny("gemma2"), sequences[1]
    rows = _split(loaded, [ids], HEADS, False)[0]
    sound = attention_settings(loaded.blocks, 0)
    broken = sound._replace(**{without: 1.0 if without == "scaling" else None})
    ours = attention_weights(rows["query.0"], rows["key.0"], broken)
    assert (ours - _eager_weights(loaded, ids)[0]).abs().max() > 1e-3


@PACKING
def test_llamas_rows_are_its_projections_turned_by_position(
    packing: bool, tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    """Worked out from the weights in float64, without any code of transformers."""
    loaded = tiny("llama")
    layer, config = loaded.blocks.layers[0], loaded.blocks.config
    everything = _split(loaded, sequences, ["embed", "query.0", "key.0"], packing)
    for rows in everything:
        x = rows["embed"].double()
        norm = layer.input_layernorm
        x = x / (x.square().mean(-1, keepdim=True) + config.rms_norm_eps).sqrt()
        x = x * norm.weight.double()
        for site, projection in (("query.0", "q_proj"), ("key.0", "k_proj")):
            flat = x @ getattr(layer.self_attn, projection).weight.double().T
            heads = flat.unflatten(1, (-1, 8))
            first, second = heads[..., :4], heads[..., 4:]
            theta = config.rope_parameters["rope_theta"] ** (-torch.arange(4).double() / 4)
            angle = (torch.arange(len(x)).double()[:, None] * theta)[:, None]
            cos, sin = angle.cos(), angle.sin()
            turned = torch.cat([first * cos - second * sin, second * cos + first * sin], -1)
            assert distance(rows[site], turned.flatten(1)) < 1e-6
            if len(x) > 1:
                assert distance(rows[site], flat) > 1e-2


@PACKING
def test_watching_changes_nothing_and_leaves_nothing_behind(
    family: str, packing: bool, tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    loaded = tiny(family)
    own = loaded.blocks.config._attn_implementation
    plain = _split(loaded, sequences, ["resid.1"], packing)
    watched = _split(loaded, sequences, [*HEADS, "resid.1"], packing)
    for one, other in zip(plain, watched, strict=True):
        assert torch.equal(one["resid.1"], other["resid.1"])
    assert loaded.blocks.config._attn_implementation == own
    assert attention._watcher.get() is None


def test_the_models_own_kernel_is_put_back_when_the_reader_fails(
    tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    loaded = tiny("llama")

    def fail(site: str, value: torch.Tensor) -> None:
        raise ZeroDivisionError

    with (
        pytest.raises(ZeroDivisionError),
        hooks.capture(loaded.blocks, ["key.1"], fail) as session,
    ):
        session.run(torch.ones((1, 3), dtype=torch.long), None, torch.arange(3)[None])
    assert loaded.blocks.config._attn_implementation == "sdpa"
    assert attention._watcher.get() is None


def test_a_kernel_of_ones_own_is_used_under_its_own_name_and_behind_its_own_mask(
    tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    loaded, calls = tiny("llama"), []

    def kernel(module: Any, *args: Any, **settings: Any) -> Any:
        calls.append((module.config._attn_implementation, args[3].dtype))
        return AttentionInterface()["sdpa"](module, *args, **settings)

    AttentionInterface.register("tests_kernel", kernel)
    AttentionMaskInterface.register("tests_kernel", AttentionMaskInterface()["sdpa"])
    config = loaded.blocks.config
    own, config._attn_implementation = config._attn_implementation, "tests_kernel"
    try:
        rows = _split(loaded, sequences, ["query.0", "resid.1"], packing=False)
    finally:
        config._attn_implementation = own
    assert calls == [("tests_kernel", torch.bool)] * 2
    for ours, sound in zip(rows, _split(loaded, sequences, ["resid.1"], False), strict=True):
        assert torch.equal(ours["resid.1"], sound["resid.1"])


def test_nothing_behind_the_last_asked_attention_is_computed(
    tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    loaded, ran = tiny("llama"), []
    with loaded.blocks.layers[0].mlp.register_forward_pre_hook(lambda *_: ran.append(1)):
        read_rows(loaded, sequences, [np.arange(1)] * 5, ["query.0", "key.0"])
        assert not ran
        read_rows(loaded, sequences, [np.arange(1)] * 5, ["key.1"])
        assert ran


def test_attention_that_transformers_does_not_hand_out_is_named(tiny: Tiny) -> None:
    loaded = tiny("llama")

    class Alone(torch.nn.Module):
        def forward(self, hidden_states: torch.Tensor, **_: object) -> tuple[torch.Tensor, None]:
            return hidden_states, None

    inside = loaded.blocks.layers[0].self_attn
    loaded.blocks.layers[0].self_attn = Alone()
    try:
        with pytest.raises(CheckFailed, match=r"query\.0 fired 0 times.*leave query and key out"):
            site_widths(loaded, ["query.0"])
        with pytest.raises(ConfigError, match="0 calls through transformers' interface"):
            attention_settings(loaded.blocks, 0)
    finally:
        loaded.blocks.layers[0].self_attn = inside


def test_widths_are_those_of_the_rows(family: str, tiny: Tiny) -> None:
    sites = ["embed", "query.0", "key.1", "attn.1", "resid.0", "final", "logits"]
    shared = 32 if family in ("gpt2", "gpt_neox") else 16
    expected = dict(zip(sites, [32, 32, shared, 32, 32, 32, 64], strict=True))
    assert site_widths(tiny(family), sites) == expected


@PACKING
def test_the_head_is_applied_to_the_chosen_rows_and_no_others(
    family: str, packing: bool, tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    loaded = tiny(family)
    chosen = [np.array([0, len(ids) - 1]) for ids in sequences]
    seen: list[int] = []
    head = loaded.blocks.head
    assert head is not None
    with head.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[0])):
        rows = read_rows(loaded, sequences, chosen, ["resid.1", "logits"], packed=packing)
    assert seen == [10] and list(rows) == ["resid.1", "logits"]
    wanted = [reference_of(loaded, ids).logits[[0, -1]] for ids in sequences]
    assert distance(rows["logits"], torch.cat(wanted)) < 2e-6


def test_a_model_without_its_head_has_no_logits(
    tiny: Tiny, save_tiny: Callable[[str], Any]
) -> None:
    config = tiny("llama").config.model_copy(update={"name": str(save_tiny("llama"))})
    with pytest.raises(ConfigError, match="without its head"):
        site_widths(load_model(config, head=False), ["logits"])
    with (
        pytest.raises(ConfigError, match="not a place inside the decoder"),
        hooks.capture(tiny("llama").blocks, ["logits"], lambda site, value: None),
    ):
        pass


def _report(loaded: LoadedModel, sites: tuple[str, ...]) -> DoctorReport:
    random = np.random.default_rng(5)
    words = [" ".join(f"w{i}" for i in random.integers(3, 64, size)) for size in (6, 24, 15)]
    texts = [Trace(f"t{k}", "g", "w3 w4 ", text) for k, text in enumerate(words)]
    tokens = [tokenise(text, loaded.tokenizer) for text in texts]
    return examine(loaded, tokens, SimpleNamespace(sites=sites))


def _failed(report: DoctorReport) -> set[str]:
    return {check.name for check in report.checks if not check.passed}


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_the_doctor_passes_every_family(family: str, kind: str, tiny: Tiny) -> None:
    loaded = tiny(family) if kind == "float32" else in_bfloat16(tiny(family))
    report = _report(loaded, (*HEADS, "resid.0", "logits"))
    assert report.passed, report.lines()
    assert "attention from rows" in {check.name for check in report.checks}


MUTANT_LAYOUTS = {
    "channels before heads": lambda x: x.permute(0, 2, 3, 1).flatten(2),
    "heads in reverse order": lambda x: x.flip(1).transpose(1, 2).flatten(2),
    "heads of another token": lambda x: x.roll(1, 2).transpose(1, 2).flatten(2),
    "keys of the next head": lambda x: x.transpose(1, 2).flatten(2).roll(8, -1),
}


@pytest.mark.parametrize("family_name", ["llama", "gemma2", "gpt2"])
@pytest.mark.parametrize("mutant", sorted(MUTANT_LAYOUTS))
def test_mutant_rows_of_another_layout(
    mutant: str, family_name: str, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, calls = hooks._in_rows, itertools.count()

    def broken(heads: torch.Tensor) -> torch.Tensor:
        # Queries come first and stay sound: a change of both alike could cancel.
        return (sound if next(calls) % 2 == 0 else MUTANT_LAYOUTS[mutant])(heads)

    monkeypatch.setattr(hooks, "_in_rows", broken)
    assert "attention from rows" in _failed(_report(tiny(family_name), ("query.0", "key.0")))


@pytest.mark.parametrize(("family_name", "names"), [("llama", "q_proj"), ("qwen3", "q_norm")])
def test_mutant_queries_before_their_positions(
    family_name: str, names: str, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = tiny(family_name)
    early: list[torch.Tensor] = []
    part = getattr(loaded.blocks.layers[0].self_attn, names)
    sound = checks.read_rows

    def read(*args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        states = sound(*args, **kwargs)
        if "query.0" in states:
            states["query.0"] = early[-1].reshape(states["query.0"].shape)
        return states

    monkeypatch.setattr(checks, "read_rows", read)
    with part.register_forward_hook(lambda *call: early.append(call[-1])):
        sites = ("query.0", "key.0")
        sample = _sample(loaded, sites)
        assert not checks.attention_from_rows(sample).passed
    monkeypatch.undo()
    assert checks.attention_from_rows(_sample(loaded, sites)).passed


def _sample(loaded: LoadedModel, sites: tuple[str, ...]) -> checks.Sample:
    ids = np.r_[1, np.random.default_rng(5).integers(3, 64, 20)].astype(np.int32)
    return checks.Sample(loaded, loaded, sites, [], [ids], [reference_of(loaded, ids)], floor=1e-5)


@pytest.mark.parametrize("fault", ["row", "softcap"])
def test_mutant_logits_of_the_next_row_or_without_their_softcap(
    fault: str, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = tiny("gemma2")
    if fault == "row":
        sound = Blocks.logits
        monkeypatch.setattr(Blocks, "logits", lambda self, x: sound(self, x.roll(1, 0)))
    else:
        config = copy.deepcopy(loaded.blocks.config)
        config.final_logit_softcapping = None
        loaded = replace(loaded, blocks=replace(loaded.blocks, config=config))
    assert "batched equals single" in _failed(_report(loaded, ("logits",)))
