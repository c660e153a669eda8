"""Sampling: what a prompt gets depends on the seed and its index alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from augury.errors import CheckFailed, DataError
from augury.models import generate
from augury.models.generate import Sampling, logits_along, sample, stop_ids
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.models.reference import distance, reference_of
from augury.models.running import Running

Tiny = Callable[[str], LoadedModel]


def test_cached_left_padded_logits_equal_those_of_the_whole_sequence(
    family: str, tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    loaded = tiny(family)
    forced = np.random.default_rng(3).integers(3, 64, (5, 4)).tolist()
    wanted = [
        reference_of(loaded, np.r_[ids, more]).logits[len(ids) - 1 :]
        for ids, more in zip(sequences, forced, strict=True)
    ]
    for step, logits in enumerate(logits_along(loaded, [s.tolist() for s in sequences], forced)):
        assert distance(logits, torch.stack([one[step] for one in wanted])) < 5e-6


@pytest.mark.parametrize("family_name", ["llama", "mistral", "gpt2"])
def test_greedy_continuations_equal_the_argmax_of_whole_sequences(
    family_name: str, tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    loaded = tiny(family_name)
    prompts = [ids.tolist() for ids in sequences]
    settings = Sampling(temperature=0, max_new_tokens=12)
    for prompt, generation in zip(prompts, sample(loaded, prompts, settings=settings), strict=True):
        ids = list(prompt)
        for _ in range(12):
            best = int(reference_of(loaded, np.array(ids)).logits[-1].argmax())
            if best == 2:
                break
            ids.append(best)
        assert generation.ids == ids[len(prompt) :]
        assert generation.finish == ("stop" if len(ids) < len(prompt) + 12 else "length")


def test_the_trained_model_continues_the_same_in_any_batch(augury_data: Path) -> None:
    loaded = load_model(ModelConfig(name=f"{augury_data}/model_stories260k", device="cpu"))
    starts = ["Once upon a time", "Lily saw", "The big dog was very", "One day"] * 3
    prompts = [loaded.tokenizer(text)["input_ids"] for text in starts]
    settings = Sampling(max_new_tokens=24, seed=7)
    together = sample(loaded, prompts, settings=settings)
    narrow = sample(loaded, prompts, settings=settings.model_copy(update={"batch_tokens": 64}))
    assert together == narrow == sample(loaded, prompts, settings=settings)
    # The same prompt at another index, or under another seed, is another draw.
    assert len({tuple(one.ids) for one in together}) == len(starts)
    assert together != sample(loaded, prompts, settings=settings.model_copy(update={"seed": 8}))


def test_progress_counts_every_continuation_once_and_changes_none(
    tiny: Tiny, sequences: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, int, int]] = []

    def counted(items: Iterable[None], *, what: str, total: int, unit: str) -> Iterator[None]:
        for done, item in enumerate(items, start=1):
            told.append((what, done, total))
            yield item

    monkeypatch.setattr(generate, "track", counted)
    prompts = [ids.tolist() for ids in sequences] * 2
    settings = Sampling(max_new_tokens=6, batch_tokens=64)
    shown = sample(tiny("llama"), prompts, settings=settings, what="thinking")
    assert told == [("thinking", done, 10) for done in range(1, 11)]
    assert shown == sample(tiny("llama"), prompts, settings=settings) and len(told) == 10


def test_a_prompt_that_stands_several_times_is_read_once_and_drawn_from_as_often(
    tiny: Tiny, sequences: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    several = [ids.tolist() for ids in sequences for _ in range(3)]
    keys = list(range(len(several)))
    settings = Sampling(max_new_tokens=12, temperature=1.5)
    read: list[int] = []
    started = generate.Running

    def counted(loaded: LoadedModel, prompts: list[list[int]]) -> generate.Running:
        read.append(len(prompts))
        return started(loaded, prompts)

    monkeypatch.setattr(generate, "Running", counted)
    for family in ("llama", "gemma2", "gpt2"):
        loaded = tiny(family)
        together = sample(loaded, several, settings=settings, keys=keys)
        assert read.pop() == len(sequences) and not read
        alone = [
            sample(loaded, [prompt], settings=settings, keys=[key])[0]
            for prompt, key in zip(several, keys, strict=True)
        ]
        read.clear()
        assert together == alone
        assert len({tuple(one.ids) for one in together}) > 2 * len(sequences)


def test_dropping_finished_rows_changes_nothing(
    tiny: Tiny, sequences: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [ids.tolist() for ids in sequences] * 8
    settings = Sampling(max_new_tokens=30, temperature=1.5)
    for family in ("llama", "gemma2"):
        dropped = sample(tiny(family), prompts, settings=settings)
        with monkeypatch.context() as patch:
            patch.setattr(generate, "_DROP_BELOW", 0.0)
            assert sample(tiny(family), prompts, settings=settings) == dropped
        assert {"stop", "length"} == {one.finish for one in dropped}


def test_rows_that_join_a_running_batch_are_read_as_if_alone(
    family: str, tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    loaded = tiny(family)
    rng = np.random.default_rng(4)
    texts = [ids.tolist() for ids in sequences]
    for early, late in ((texts[:3], texts[3:]), (texts[3:], texts[:3])):
        running, fresh = Running(loaded, early), Running(loaded, late)
        if not running.joinable:
            assert family in ("mistral", "gemma2", "gemma3_text")
            return
        told = [list(text) for text in (*early, *late)]
        for step in range(5):
            if step == 2:
                fresh.next_states()
                tokens = rng.integers(3, 64, len(late))
                fresh.append(tokens)
                for text, token in zip(told[len(early) :], tokens.tolist(), strict=True):
                    text.append(token)
                running.join(fresh)
            now = told if step >= 2 else told[: len(early)]
            wanted = [reference_of(loaded, np.array(text)).logits[-1] for text in now]
            assert distance(running.next_logits(), torch.stack(wanted)) < 5e-6
            tokens = rng.integers(3, 64, len(now))
            running.append(tokens)
            for text, token in zip(now, tokens.tolist(), strict=True):
                text.append(token)
        assert running.mask.any(dim=0).all()


@pytest.mark.parametrize("family_name", ["llama", "gpt2", "gemma2"])
def test_rows_join_while_others_run_and_get_what_they_would_have_got(
    family_name: str, tiny: Tiny, sequences: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = tiny(family_name)
    prompts = [ids.tolist() for ids in sequences] * 8
    settings = Sampling(max_new_tokens=40, temperature=1.5)
    passes: list[int] = []
    forward = Running.next_states

    def counted(running: Running) -> torch.Tensor:
        if running.ids.shape[1] == 1:
            passes.append(len(running.ids))
        return forward(running)

    monkeypatch.setattr(Running, "next_states", counted)
    monkeypatch.setattr(generate, "_JOINS_ON", frozenset({"cpu"}))
    monkeypatch.setattr(generate, "stop_ids", lambda loaded: frozenset(range(2, 10)))
    wide = sample(loaded, prompts, settings=settings)
    narrow = settings.model_copy(update={"batch_tokens": 800})
    passes.clear()
    assert sample(loaded, prompts, settings=narrow) == wide
    joined, widest = len(passes), max(passes)
    monkeypatch.setattr(generate, "_JOINS_ON", frozenset())
    passes.clear()
    assert sample(loaded, prompts, settings=narrow) == wide
    assert 1 < widest < len(prompts) / 2
    assert joined == len(passes) if family_name == "gemma2" else joined < 0.9 * len(passes)


def test_continuations_end_at_the_limit_or_the_context(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate, "stop_ids", lambda loaded: frozenset())
    short = replace(tiny("llama"), context=10)
    found = sample(short, [[1] * 3, [1] * 9], settings=Sampling(max_new_tokens=4))
    assert [len(one.ids) for one in found] == [4, 1]
    assert {one.finish for one in found} == {"length"}


def test_every_id_that_any_config_calls_an_end_is_an_end(augury_data: Path) -> None:
    loaded = load_model(ModelConfig(name=f"{augury_data}/model_stories260k", device="cpu"))
    assert stop_ids(loaded) == {1, 2}


def test_draws_follow_the_models_distribution() -> None:
    p = np.array([0.0, 0.5, 0.2, 0.0, 0.25, 0.05, 0.0])
    logits = torch.from_numpy(np.log(np.maximum(p, 1e-300))).clamp_min(-1e4).expand(4000, -1)
    uniforms = np.random.default_rng(0).random(4000)
    drawn = generate._draw(logits, uniforms, Sampling())
    counts = np.bincount(drawn, minlength=7)
    assert (counts[p == 0] == 0).all()
    assert stats.chisquare(counts[p > 0], p[p > 0] * 4000).pvalue > 1e-3
    hot = np.bincount(generate._draw(logits, uniforms, Sampling(temperature=0.5)), minlength=7)
    q = p**2 / (p**2).sum()
    assert stats.chisquare(hot[p > 0], q[p > 0] * 4000).pvalue > 1e-3


@pytest.mark.parametrize("uniform", [0.0, np.nextafter(1.0, 0.0)])
def test_the_ends_of_the_unit_interval_never_draw_an_impossible_token(uniform: float) -> None:
    logits = torch.tensor([[-1e4, 0.0, 0.0, -1e4]])
    assert generate._draw(logits, np.array([uniform]), Sampling())[0] in (1, 2)


def test_top_p_keeps_the_fewest_tokens_that_hold_it() -> None:
    p = torch.tensor([[0.1, 0.4, 0.3, 0.2]])
    kept = generate._nucleus(p, 0.6) > 0
    assert kept.tolist() == [[False, True, True, False]]
    assert (generate._nucleus(p, 0.7 + 1e-6) > 0).tolist() == [[False, True, True, True]]
    assert (generate._nucleus(p, 1e-9) > 0).tolist() == [[False, True, False, False]]


@pytest.mark.parametrize("prompt", [[], [1] * 64])
def test_a_prompt_to_which_nothing_can_be_added_is_refused(tiny: Tiny, prompt: list[int]) -> None:
    with pytest.raises(DataError, match="prompt 1"):
        sample(tiny("llama"), [[1], prompt], settings=Sampling())


def test_logits_that_are_not_numbers_stop_the_job() -> None:
    with pytest.raises(CheckFailed, match="not finite"):
        generate._draw(torch.tensor([[0.0, float("nan")]]), np.array([0.5]), Sampling())
