"""Fitting and scoring a site takes the memory of a pass: the states are never held whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

ROWS, HIDDEN = 160_000, 512

CHILD = """
import resource, sys
from pathlib import Path
import numpy as np, torch
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.grid_plan import plan_grid
from augury.studies.backtracking_lag.rows import RunRows, Target
from augury.studies.scores import Scores
from augury.studies.backtracking_lag.site_fit import fit_site
from augury.traces.tokens import TokenisedTrace

HIDDEN, LENGTH = 512, 400

class OnDisk:
    hidden = HIDDEN
    def __init__(self, path, rows):
        self.path, self.rows = path, rows
    def __len__(self):
        return self.rows
    def pieces(self):
        return (np.arange(at, min(at + 8_000, self.rows)) for at in range(0, self.rows, 8_000))
    def torch(self, rows):
        if isinstance(rows, slice) or rows is None:
            rows = np.arange(self.rows)[rows or slice(None)]
        first, count = int(rows[0]), int(rows[-1] - rows[0]) + 1
        held = np.fromfile(self.path, np.float32, count * HIDDEN, offset=first * HIDDEN * 4)
        return torch.from_numpy(held.reshape(count, HIDDEN)[rows - first])

def study():
    text = {"reading": {"sites": ["resid.1"]}, "targets": {"horizons": [8, 4, 1]}}
    text["probe"] = {"l2": [0.03, 0.003], "control_draws": 3}
    return BacktrackingLagConfig.model_validate(text)

def part(number):
    at = np.arange(LENGTH, dtype=np.int32)
    nothing = np.zeros(LENGTH, bool)
    role = np.full(LENGTH, 3, np.uint8)
    return TokenisedTrace(f"t{number}", f"t{number}", at % 50, at, at + 1, nothing, role, 0)

def fit(path, count):
    rng = np.random.default_rng(0)
    traces = count // LENGTH
    trace = np.repeat(np.arange(traces), LENGTH)
    token = np.tile(np.arange(LENGTH), traces)
    side = (trace % 5).clip(2) - 2
    sides = side[None].astype(np.int8)
    rows = RunRows({}, [part(n) for n in range(traces)], [], trace, token, trace, trace, sides)
    labels = rng.random((count, 3), dtype=np.float32) < 0.05
    target = Target("event", [], labels, np.ones_like(labels), [None] * 3)
    out = Scores()
    fit_site(OnDisk(path, count), "resid.1", plan_grid(rows, [target], study()), out)
    assert out.probes["event", "resid.1"].shape == (count, 3)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

path, rows = Path(sys.argv[1]), int(sys.argv[2])
fit(path, 16_000)
before = peak()
fit(path, rows)
print(before, peak())
"""


def test_memory_does_not_grow_with_the_states(tmp_path: Path) -> None:
    part = np.random.default_rng(0).standard_normal((ROWS // 16, HIDDEN), dtype=np.float32)
    with (tmp_path / "states").open("wb") as file:
        for _ in range(16):
            part.tofile(file)
    command = [sys.executable, "-c", CHILD, str(tmp_path / "states"), str(ROWS)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    before, after = map(int, found.stdout.split())
    # the states are 312 MiB; labels, masks, weights and scores about 120 bytes a row, 18 MiB
    assert after - before < 80
