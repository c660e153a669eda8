"""A slice of the mutants; `python -m tests.mutants` runs all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.mutants import MUTANTS, ROOT, copied, survives

SLICE = (
    "groups shared with test are not looked for",
    "the label slides by one token",
    "all traces rotate alike",
    "rich groups count as poor ones",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("mutants"))


@pytest.mark.parametrize("name", SLICE)
def test_a_broken_line_turns_a_test_red(name: str, tree: Path) -> None:
    (mutant,) = [one for one in MUTANTS if one.name == name]
    assert not survives(mutant, tree)


def test_every_mutant_still_fits_its_file_and_names_its_tests() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 30
    for mutant in MUTANTS:
        assert (ROOT / mutant.path).read_text().count(mutant.right) == 1, mutant.name
        assert mutant.right != mutant.wrong
        assert all((ROOT / test).is_file() for test in mutant.tests)
