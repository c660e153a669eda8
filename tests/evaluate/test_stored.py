from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from augury.errors import DataError, MissingInput
from augury.evaluate.contract import judge_grid
from augury.evaluate.records import CellScores
from augury.evaluate.stored import read_results, write_results


def _cell(positives: bool) -> CellScores:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(36), 20)
    labels = (rng.random(len(groups)) < 0.2) & positives
    return CellScores(
        site="resid.0",
        horizon=4,
        label="backtracking",
        kind="point",
        labels=labels,
        scores=(labels + rng.normal(size=len(groups))).astype(np.float32),
        groups=groups,
        traces=groups,
        split=groups % 3,
        baselines={"position": rng.normal(size=len(groups)).astype(np.float32)},
    )


@pytest.mark.parametrize("positives", [True, False], ids=["judged", "insufficient"])
def test_results_read_back_exactly_missing_numbers_with_their_reason(
    positives: bool, tmp_path: Path
) -> None:
    results = judge_grid([_cell(positives)], draws=50, permutations=50, seed=0)
    write_results(tmp_path / "cells.json", results)
    again = read_results(tmp_path / "cells.json")
    assert again == results
    assert (again[0].average_precision.value is None) == (not positives)
    assert bool(again[0].average_precision.reason) == (not positives)


def test_a_missing_file_and_one_that_holds_something_else_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"cells\.json"):
        read_results(tmp_path / "cells.json")
    results = judge_grid([_cell(True)], draws=50, permutations=50, seed=0)
    write_results(tmp_path / "cells.json", results)
    body = json.loads((tmp_path / "cells.json").read_text())
    body[0]["horizon"] = "far"
    (tmp_path / "cells.json").write_text(json.dumps(body))
    with pytest.raises(DataError, match="horizon"):
        read_results(tmp_path / "cells.json")
