from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.sweeps import toy

from augury.runs.progress import quiet
from augury.studies.registry import STUDIES


@pytest.fixture(autouse=True)
def toy_study(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(STUDIES, "toy", toy.__name__)
    with quiet():
        yield
