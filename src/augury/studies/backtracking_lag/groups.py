"""Stage `split`: deal the groups, alike in the events that are predicted.

Apart from `traces`, because it depends on the labels, and what the model reads does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from augury.errors import DataError
from augury.runs.folder import Run
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.traces import TRACES
from augury.studies.splitting import deal, write_split
from augury.traces.table import read_traces
from augury.traces.trace import Trace

__all__ = ["SPLIT", "deal_groups", "split_inputs"]

SPLIT = "data/split.json"


def split_inputs(config: BacktrackingLagConfig) -> dict[str, object]:
    """Which labels, and how."""
    return {"split": config.split.model_dump(mode="json"), "labels": list(config.targets.labels)}


def deal_groups(run: Run, config: BacktrackingLagConfig) -> dict[str, object]:
    """Write the split, or the folds.

    Raises:
        DataError: A label occurs nowhere; there are too few groups.
    """
    traces, labels = read_traces(run.path / TRACES), config.targets.labels
    _check_labels(traces, labels)
    dealt = deal(traces, labels, config.split)
    write_split(run.path / SPLIT, dealt)
    return {"splits": len(dealt), "groups": len({trace.group for trace in traces})}


def _check_labels(traces: Sequence[Trace], labels: tuple[str, ...]) -> None:
    known = Counter(span.label for trace in traces for span in trace.spans)
    missing = [label for label in labels if not known[label]]
    if missing:
        listed = ", ".join(f"{name} ({n})" for name, n in known.most_common(12)) or "no label"
        raise DataError(
            f"targets.labels: {missing[0]!r}",
            found=f"no span with this label in {len(traces)} chains, but {listed}",
            expected="a label that occurs",
            fix="set targets.labels to labels of the data",
        )
