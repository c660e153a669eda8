"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def augury_data() -> Path:
    """Folder of real data and small trained models; tests that need it skip where it is absent."""
    default = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("AUGURY_DATA", default))
    if not folder.is_dir():
        pytest.skip("real data is absent: set AUGURY_DATA to the folder that holds it")
    return folder
