"""The reference: independent of our hooks, and a distance that nothing can hide from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from augury.models.load import LoadedModel
from augury.models.reference import distance, reference_of

Tiny = Callable[[str], LoadedModel]


def test_the_reference_leaves_the_model_as_it_was(tiny: Tiny, sequences: list[np.ndarray]) -> None:
    loaded = tiny("llama")
    before = loaded.model.config._attn_implementation
    reference = reference_of(loaded, sequences[1])
    assert loaded.model.config._attn_implementation == before == "sdpa"
    assert len(reference.hidden_states) == 3
    assert 0 < reference.noise("resid.0") < 1e-5
    assert 0 < reference.noise("logits") < 1e-5
    assert reference.noise("embed") == 0


def test_two_kernels_disagree_only_where_attention_has_run(
    tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    # With one kernel only, there is no noise to measure.
    reference = reference_of(tiny("gemma2"), sequences[1])
    assert {reference.noise(site) for site in ("embed", "attn.0", "resid.0", "final")} == {0.0}


def test_a_fault_in_small_states_cannot_hide_behind_a_huge_one() -> None:
    truth = torch.ones(100, 8)
    truth[0] = 1e6
    assert distance(truth.clone(), truth) == 0
    wrong = truth.clone()
    wrong[50:] *= 1.01
    assert distance(wrong, truth) > 5e-3
    assert not distance(truth * float("nan"), truth) <= 1e9
