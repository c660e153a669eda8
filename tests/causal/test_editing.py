"""Edits: what they compute, where they are made, and that they are counted."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from augury.causal.editing import editing
from augury.causal.edits import Edit, add, mean, patch, project_out, resample, scale, zero
from augury.causal.forced import (
    ForcedText,
    all_forced,
    control_divergence,
    forced_log_probs,
    neutral_loss,
)
from augury.causal.generation import loops, sample_edited
from augury.errors import CheckFailed, ConfigError, DataError, UsageError
from augury.models.generate import Sampling, sample
from augury.models.hooks import capture
from augury.models.load import LoadedModel
from augury.models.read import pad_right

Tiny = Callable[[str], LoadedModel]
RNG = np.random.default_rng(0)
STATES = torch.from_numpy(RNG.standard_normal((5, 32)).astype(np.float32))
NUMBERS = torch.arange(5)


def _hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def test_what_each_edit_computes() -> None:
    rows, vector = RNG.standard_normal((4, 32)), RNG.standard_normal(32)
    assert not zero("mlp.0").change(STATES, NUMBERS).any()
    assert torch.equal(scale("mlp.0", 0.25).change(STATES, NUMBERS), STATES * 0.25)
    centre = mean("mlp.0", rows).change(STATES, NUMBERS)
    np.testing.assert_allclose(centre, np.tile(rows.mean(axis=0), (5, 1)), atol=1e-6)
    np.testing.assert_allclose(
        add("mlp.0", vector).change(STATES, NUMBERS), STATES + vector, atol=1e-6
    )
    drawn = resample("mlp.0", rows, seed=1).change(STATES, NUMBERS).numpy()
    assert all(np.isclose(row, rows, atol=1e-6).all(axis=1).any() for row in drawn)
    given = RNG.standard_normal((5, 32))
    np.testing.assert_allclose(
        patch("mlp.0", given).change(STATES[:2], NUMBERS[[3, 1]]), given[[3, 1]], atol=1e-6
    )


def test_edits_are_equal_exactly_if_they_do_the_same() -> None:
    rows, vector = RNG.standard_normal((4, 32)), RNG.standard_normal(32)
    moved = vector.copy()
    moved[7] += 1e-6

    def all_edits(vector: np.ndarray) -> list[Edit]:
        return [
            zero("mlp.0"),
            zero("mlp.1"),
            scale("mlp.0", 0.5),
            scale("mlp.0", 0.25),
            mean("mlp.0", rows + vector),
            resample("mlp.0", rows + vector, seed=1),
            resample("mlp.0", rows + vector, seed=2),
            patch("mlp.0", rows + vector),
            add("mlp.0", vector),
            project_out("mlp.0", vector),
            project_out("mlp.0", vector, centre=rows[0]),
        ]

    first, again, other = (
        [edit.identity for edit in all_edits(v)] for v in (vector, vector.copy(), moved)
    )
    assert first == again and len(set(first)) == len(first)
    assert not set(first[4:]) & set(other[4:])


def test_projecting_out_removes_the_direction_and_nothing_else() -> None:
    vector = RNG.standard_normal(32) * 7
    unit = vector / np.linalg.norm(vector)
    edit = project_out("mlp.0", vector)
    out = edit.change(STATES, NUMBERS)
    np.testing.assert_allclose(out @ unit.astype(np.float32), 0, atol=1e-5)
    beside = np.eye(32) - np.outer(unit, unit)
    np.testing.assert_allclose(out @ beside.astype(np.float32), STATES @ beside, atol=1e-5)
    np.testing.assert_allclose(edit.change(out, NUMBERS), out, atol=1e-5)
    centre = RNG.standard_normal(32)
    kept = project_out("mlp.0", vector, centre=centre).change(STATES, NUMBERS)
    np.testing.assert_allclose(kept @ unit.astype(np.float32), centre @ unit, atol=1e-5)


def test_a_drawn_state_belongs_to_the_sequence_and_not_to_its_batch() -> None:
    edit = resample("mlp.0", RNG.standard_normal((50, 32)), seed=4)
    whole = edit.change(STATES, NUMBERS)
    assert torch.equal(edit.change(STATES[3:4], NUMBERS[3:4])[0], whole[3])
    other = resample("mlp.0", RNG.standard_normal((50, 32)), seed=5).change(STATES, NUMBERS)
    assert not torch.equal(other, whole)


@pytest.mark.parametrize("bad", [np.zeros(32), np.full(32, np.nan), np.zeros((2, 32))])
def test_a_direction_that_is_none_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(DataError):
        project_out("mlp.0", bad)


def test_edits_are_made_at_the_named_tokens_only(tiny: Tiny) -> None:
    loaded = tiny("llama")
    texts = [np.r_[1, np.arange(3, 12)], np.r_[1, np.arange(20, 25)]]
    padded = pad_right(texts, loaded.device)
    mask = torch.zeros_like(padded.input_ids, dtype=torch.bool)
    mask[0, 4] = mask[1, 2] = True
    seen: dict[str, list[torch.Tensor]] = {"clean": [], "edited": []}
    for name, edits in (("clean", []), ("edited", [add("resid.0", np.full(32, 3.0))])):
        keep = seen[name].append
        with (
            editing(loaded.blocks, edits, mask),
            capture(loaded.blocks, ["resid.0"], lambda _, states, keep=keep: keep(states)) as run,
        ):
            run.run(*padded)
    moved = (seen["edited"][0] - seen["clean"][0])[mask]
    torch.testing.assert_close(moved, torch.full_like(moved, 3.0))
    assert torch.equal(seen["edited"][0][~mask], seen["clean"][0][~mask])


def test_calls_are_counted_and_prompts_left_alone(tiny: Tiny) -> None:
    loaded = tiny("llama")
    prompts = [[1, *range(3, 10)], [1, 4, 5]]
    settings = Sampling(max_new_tokens=6, seed=3)
    edits = [zero("mlp.0"), scale("attn.1", 0.5)]
    made = sample_edited(loaded, prompts, edits, settings=settings)
    # One pass over the prompts, then one per token that is read back.
    assert made.calls.passed_over == {"mlp.0": 1, "attn.1": 1}
    assert 1 <= made.calls.edited["mlp.0"] == made.calls.edited["attn.1"] <= 5
    assert made.calls.lengths[8] == 2 and made.calls.lengths[1] == 2 * made.calls.edited["mlp.0"]
    # What comes first was decided by the prompt, which was read unedited.
    clean = sample(loaded, prompts, settings=settings)
    assert [g.ids[:1] for g in made.generations] == [g.ids[:1] for g in clean]
    assert [g.ids for g in made.generations] != [g.ids for g in clean]
    whole = sample_edited(loaded, prompts, edits, settings=settings, at="every token")
    assert not whole.calls.passed_over and whole.calls.edited["mlp.0"] >= 1


def test_edits_in_generation_are_those_of_whole_sequences(tiny: Tiny, family: str) -> None:
    """Decoding under edits with a cache equals one pass over the same tokens, edited there too."""
    loaded = tiny(family)
    prompts = [[1, *range(3, 10)], [1, 4, 5]]
    edits = [add("resid.0", np.linspace(-1, 1, 32)), scale("mlp.1", 0.5)]
    made = sample_edited(loaded, prompts, edits, settings=Sampling(temperature=0, max_new_tokens=5))
    for prompt, generation in zip(prompts, made.generations, strict=True):
        ids = np.array([*prompt, *generation.ids])
        rows = np.arange(len(prompt) - 1, len(ids))
        text = ForcedText(ids, rows, first=len(prompt))
        (_, log_p) = next(forced_log_probs(loaded, [text], edits))
        said = log_p.argmax(dim=1).tolist()
        assert said[: len(generation.ids)] == generation.ids
        if generation.finish == "stop":
            assert said[len(generation.ids)] == 2


def test_no_hook_stays_behind(tiny: Tiny) -> None:
    loaded = tiny("llama")
    before = _hooks(loaded.model)
    with pytest.raises(ZeroDivisionError), editing(loaded.blocks, [zero("mlp.1")], "last token"):
        raise ZeroDivisionError
    assert _hooks(loaded.model) == before
    with (
        pytest.raises(ConfigError),
        editing(loaded.blocks, [zero("mlp.1"), zero("attn.9")], "last token"),
    ):
        pass
    assert _hooks(loaded.model) == before


def test_an_edit_that_never_fires_is_an_error(tiny: Tiny) -> None:
    loaded = tiny("llama")
    stale = (loaded.blocks.layers[0], copy.deepcopy(loaded.blocks.layers[1]))
    blind = replace(loaded, blocks=replace(loaded.blocks, layers=stale))
    with pytest.raises(CheckFailed, match=r"mlp\.1 fired 0 times"):
        sample_edited(
            blind, [[1, 3, 4]], [zero("mlp.0"), zero("mlp.1")], settings=Sampling(max_new_tokens=3)
        )


def test_misuse_is_refused(tiny: Tiny) -> None:
    loaded, settings = tiny("llama"), Sampling(max_new_tokens=3)
    drawn: Edit = resample("mlp.0", np.ones((3, 32)), seed=0)
    with pytest.raises(UsageError, match="numbers"):
        sample_edited(loaded, [[1, 3]], [drawn], settings=settings)
    with pytest.raises(UsageError, match="single token"):
        sample_edited(loaded, [[1]], [zero("mlp.0")], settings=settings)
    with (
        pytest.raises(UsageError, match="a pass over"),
        editing(loaded.blocks, [zero("mlp.0")], torch.ones(1, 5, dtype=torch.bool)),
        torch.no_grad(),
    ):
        loaded.blocks.decoder(input_ids=torch.ones(1, 4, dtype=torch.long))


def test_the_cost_of_an_edit_leaves_out_what_it_was_meant_to_do(tiny: Tiny) -> None:
    """Raising the logit of one id moves everything, and nothing else once that id is spared."""
    loaded = tiny("llama")
    wanted = 9
    assert loaded.blocks.head is not None
    push = loaded.blocks.head.weight[wanted].numpy() * 2
    others = loaded.blocks.head.weight.numpy()
    # A push that moves the logit of one id alone: orthogonal to all other rows of the head.
    basis = np.linalg.svd(np.delete(others, wanted, axis=0)[:20], full_matrices=True)[2][20:]
    push = basis.T @ (basis @ push)
    texts = [np.r_[1, np.arange(3, 20)]]
    spared = [i for i in range(64) if abs(float(others[i] @ push)) > 1e-4]
    assert wanted in spared
    edits = [add("final", push * 5)]
    control = [ForcedText(texts[0], np.array([5, 11]))]
    clean = all_forced(loaded, control, [])
    assert control_divergence(loaded, control, clean, edits).min() > 0.01
    assert control_divergence(loaded, control, clean, edits, apart_from=spared).max() < 1e-4
    moved = neutral_loss(loaded, texts, edits) - neutral_loss(loaded, texts, [])
    kept = neutral_loss(loaded, texts, edits, apart_from=spared) - neutral_loss(
        loaded, texts, [], apart_from=spared
    )
    assert abs(moved[0]) > 0.01 and abs(kept[0]) < 1e-4


def test_the_loss_is_that_of_the_library(tiny: Tiny) -> None:
    loaded = tiny("qwen3")
    texts = [np.r_[1, np.arange(3, 20)], np.r_[1, np.arange(30, 36)]]
    found = neutral_loss(loaded, texts, [])
    for text, value in zip(texts, found, strict=True):
        ids = torch.from_numpy(text)[None]
        with torch.no_grad():
            wanted = loaded.model(input_ids=ids, labels=ids).loss
        assert value == pytest.approx(float(wanted), abs=1e-5)


@pytest.mark.parametrize(
    ("ids", "found"),
    [
        ([7] * 8, True),
        ([7] * 7, False),
        ([1, 2, 3, 9, 1, 9, 1, 9, 1, 9, 1], True),
        ([*range(30), *([5, 6, 7] * 4)], True),
        ([*range(30), *([5, 6, 7] * 3)], False),
        ([5, 6, 7] * 6 + [1], False),
        ([], False),
        (list(range(100)), False),
    ],
)
def test_a_loop_is_a_piece_that_ends_the_text_four_times(ids: list[int], found: bool) -> None:
    assert loops(ids) is found
