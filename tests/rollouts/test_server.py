"""Rollouts that a server writes, against the real one of `tests/models/test_server.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.models.test_server import SERVER

from augury.rollouts.author import Author
from augury.rollouts.base import solve, write_base
from augury.rollouts.config import RolloutsConfig
from augury.rollouts.drawing import draw_unit_chunk, unit_chunks
from augury.rollouts.files import Tree
from augury.rollouts.questions import read_questions


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_server_writes_solutions_and_rollouts_from_ids(url: str, tmp_path: Path) -> None:
    config = RolloutsConfig.model_validate(
        {
            "url": url,
            "questions": {"count": 1, "seed": 7},
            "base": {"take": "any", "attempts": 2},
            "rollouts": 3,
            "chunk": 3,
        }
    )
    author, tree = Author(config), Tree(tmp_path, config.setting)
    assert author.loaded is None
    (solved,) = solve(read_questions(config.questions), config, author)
    assert solved.base is not None, solved.why
    write_base(tree, solved)
    units = list(unit_chunks([solved.base], config))[2]
    assert draw_unit_chunk(tree, units, config, author) > 0
    rows = json.loads(tree.rollouts(0, units[0].sentence.index).read_text())
    prefix = solved.base.before(units[0].sentence)
    assert len(rows) == 3 and all(row["prefix_without_chunk"] == prefix for row in rows)
    assert all(row["rollout"].rstrip().endswith(row["answer"]) for row in rows)
    assert {row["state"] for row in rows} <= {"right", "wrong"}
