"""What every test may ask for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers beside each other, each with as many threads as there are cores, wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    """Settings of the process are part of every store's identity: the next test finds its own."""
    if (torch := sys.modules.get("torch")) is None:
        yield
        return
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    yield
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)


@pytest.fixture(scope="session")
def augury_data() -> Path:
    """Folder of real data and small trained models; tests that need it skip where it is absent."""
    default = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("AUGURY_DATA", default))
    if not folder.is_dir():
        pytest.skip("real data is absent: set AUGURY_DATA to the folder that holds it")
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium; AUGURY_CHROMIUM names it where it is not in the usual place."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = Path(os.environ.get("AUGURY_CHROMIUM", "/usr/bin/chromium"))
    if not path.is_file():
        pytest.skip(f"no browser at {path}: install chromium or set AUGURY_CHROMIUM")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(path), args=["--no-sandbox"])
        yield started
        started.close()
