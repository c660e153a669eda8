"""A slice of the fault sweep; `python -m tests.faults.sweep` runs all of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.faults.sweep import (
    fails_everywhere,
    kills_at_every_operation,
    kills_at_random,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the sweep forks")


def test_killed_at_file_operations_it_resumes_with_the_same_bytes(tmp_path: Path) -> None:
    assert kills_at_every_operation(tmp_path, every=5) > 5


def test_killed_at_random_it_resumes_with_the_same_bytes(tmp_path: Path) -> None:
    kills, hits = kills_at_random(tmp_path, 12)
    assert kills == 12 and hits > 0


def test_a_full_disk_and_a_failing_one_are_named_and_nothing_is_lost(tmp_path: Path) -> None:
    assert fails_everywhere(tmp_path, every=11) > 10
