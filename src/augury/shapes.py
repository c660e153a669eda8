"""The axis names of the package, and the array types written with them.

| axis     | meaning                                                      |
|----------|--------------------------------------------------------------|
| `token`  | positions of one tokenised trace, special tokens included    |
| `row`    | positions of many traces, one below the other (ragged)       |
| `hidden` | coordinates of one hidden state                              |
| `column` | probes that are fitted together on the same rows             |
| `cell`   | fitted and scored (site, horizon, target, kind)              |
| `group`  | what is never split (the problem, the book)                  |
| `draw`   | bootstrap resamples or permutations                          |

Annotations are read by a run-time checker in the tests only; in production they cost nothing.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

__all__ = [
    "Labels",
    "RowGroups",
    "RowScores",
    "RowStates",
    "RowWeights",
]

RowStates = Float[np.ndarray, "row hidden"]
RowScores = Float[np.ndarray, " row"]
RowWeights = Float[np.ndarray, " row"]
RowGroups = Int[np.ndarray, " row"]
Labels = Bool[np.ndarray, " row"]
