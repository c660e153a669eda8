"""The trained tokenizer of the data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer


@pytest.fixture(scope="session")
def stories(augury_data: Path) -> Any:
    folder = augury_data / "model_stories260k"
    if not folder.is_dir():
        pytest.skip("model_stories260k is absent from AUGURY_DATA")
    return AutoTokenizer.from_pretrained(folder)
