"""Tiny random models of every supported family, and texts for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.families import FAMILIES, family_model, loaded_from, word_tokenizer

from augury.models.load import LoadedModel


@pytest.fixture(params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def tiny() -> Callable[[str], LoadedModel]:
    return lambda family: loaded_from(family_model(family))


@pytest.fixture
def save_tiny(tmp_path: Any) -> Callable[[str], Any]:
    def save(family: str) -> Any:
        folder = tmp_path / family
        family_model(family).save_pretrained(folder)
        word_tokenizer().save_pretrained(folder)
        return folder

    return save


@pytest.fixture
def sequences() -> list[np.ndarray]:
    """Texts of very different lengths, each with its BOS."""
    random = np.random.default_rng(0)
    lengths = (5, 23, 1, 14, 9)
    return [np.r_[1, random.integers(3, 64, size)].astype(np.int32) for size in lengths]
