"""A fit keeps a few blocks of rows in memory, not the rows and not rows x columns."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

ROWS, HIDDEN = 320_000, 256

CHILD = """
import resource, sys
from pathlib import Path
import numpy as np, torch
from augury.probes.closed_form import moments_of_blocks
from augury.probes.columns import SharedColumns
from augury.probes.grid import fit_columns
from augury.probes.rows import blocks

class OnDisk:
    hidden = 256
    def __init__(self, path, rows):
        self.path, self.rows = path, rows
    def __len__(self):
        return self.rows
    def pieces(self):
        return (np.arange(at, min(at + 20_000, self.rows)) for at in range(0, self.rows, 20_000))
    def torch(self, rows):
        first, count = int(rows[0]), int(rows[-1] - rows[0]) + 1
        held = np.fromfile(self.path, np.float32, count * 256, offset=first * 1024)
        return torch.from_numpy(held.reshape(count, 256)[rows - first])

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

def columns(rows):
    labels = np.random.default_rng(0).random((rows, 7), dtype=np.float32) < 0.1
    fold = (np.arange(rows) % 10)[:, None] != np.arange(10)
    target, mask = np.divmod(np.arange(70), 10)
    return SharedColumns(labels, fold, target, mask, np.ones(70), np.ones(70))

def moments(states, these):
    everyone = np.arange(7) * 10
    used = np.ones(len(states), bool)
    return moments_of_blocks(
        (b, *(part.T for part in these.read(r, everyone))) for r, b in blocks(states, used)
    )

path, rows = Path(sys.argv[1]), int(sys.argv[2])
small, large = OnDisk(path, 20_000), OnDisk(path, rows)
fit_columns(small, columns(20_000), np.full(70, 1e-2))
moments(small, columns(20_000))
before = peak()
shared = moments(large, columns(rows))
grid = fit_columns(large, columns(rows), np.full(70, 1e-2), max_passes=4)
assert shared.covariance.shape == (256, 256) and grid.passes == 4
print(before, peak())
"""


def test_memory_does_not_grow_with_rows(tmp_path: Path) -> None:
    part = np.random.default_rng(0).standard_normal((ROWS // 16, HIDDEN), dtype=np.float32)
    with (tmp_path / "states").open("wb") as file:
        for _ in range(16):
            part.tofile(file)
    command = [sys.executable, "-c", CHILD, str(tmp_path / "states"), str(ROWS)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    before, after = map(int, found.stdout.split())
    # the rows are 312 MiB, dense labels and weights of 70 columns 107 MiB
    assert after - before < 60
