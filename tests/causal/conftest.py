"""Tiny random models of every supported family."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.families import FAMILIES, family_model, loaded_from

from augury.models.load import LoadedModel


@pytest.fixture(params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def tiny() -> Callable[[str], LoadedModel]:
    return lambda family: loaded_from(family_model(family))
