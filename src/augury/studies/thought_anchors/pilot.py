"""The pilot: a few problems that have to pass every check before the others are read."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from augury.activations.extract import extract
from augury.activations.plan import ReadingPlan
from augury.activations.store import Store
from augury.errors import CheckFailed
from augury.evaluate.tripwires import Tripwire, memorises, raise_if_tripped
from augury.models.load import LoadedModel
from augury.runs.progress import say
from augury.studies.reading import check_reader
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig
from augury.studies.thought_anchors.solutions import Solutions, sentence_rows, sentence_spans

__all__ = ["pass_pilot", "told_apart"]


def pass_pilot(
    reader: LoadedModel,
    solutions: Solutions,
    plans: Sequence[ReadingPlan],
    config: ThoughtAnchorsConfig,
    folder: Path,
) -> dict[str, Any]:
    """Read the first problems and check what was read; what was found, in plain form.

    The doctor compares states with transformers' own; every sentence has its rows; and the states
    of the sentences of a problem can be told apart.

    Args:
        reader: The model.
        solutions: All of them.
        plans: What will be read: states, and vertical attention where that is wanted.
        config: Of the study.
        folder: Where the pilot's states are kept while they are checked.

    Raises:
        CheckFailed: A check failed; nothing else was read.
    """
    few = solutions.first(config.reading.pilot)
    others = len(solutions.traces) - len(few.traces)
    say(f"pilot: {len(few.traces)} of {len(solutions.traces)} problems are read first")
    try:
        return _checked(reader, few, plans, config, folder)
    except CheckFailed as error:
        raise CheckFailed(
            f"pilot of {len(few.traces)} problems (of the other {others} nothing was read), "
            f"{error.where}",
            found=error.found,
            expected=error.expected,
            fix=error.fix,
        ) from error


def told_apart(states: np.ndarray, texts: Sequence[str]) -> Tripwire:
    """Whether a model without regularisation knows every second sentence by heart.

    It cannot where different sentences have the same states, as they do when a reading went wrong.

    Args:
        states: [sentence, hidden], in order.
        texts: Of the sentences; of those that read alike the first counts.
    """
    first = sorted({text: n for n, text in reversed(list(enumerate(texts)))}.values())
    second = np.arange(len(first)) % 2 == 1
    scaled = StandardScaler().fit_transform(states[first])
    if len(np.unique(second)) < 2:
        return memorises(second, np.zeros(len(first)))
    # So weak a penalty that rows which differ at all are told apart.
    model = SVC(kernel="rbf", C=1e6, gamma=1 / scaled.shape[1]).fit(scaled, second)
    return memorises(second, model.decision_function(scaled))


def _checked(
    reader: LoadedModel,
    few: Solutions,
    plans: Sequence[ReadingPlan],
    config: ThoughtAnchorsConfig,
    folder: Path,
) -> dict[str, Any]:
    named = {trace.id: trace for trace in few.traces}
    checks = []
    for each in plans:
        report = check_reader(reader, few.parts, named, config.reading_job(each))
        for line in report.lines():
            say(line)
        report.raise_if_failed()
        checks += [asdict(check) for check in report.checks]
    shutil.rmtree(folder, ignore_errors=True)
    plan = plans[0]
    store = extract(reader, few.parts, plan, folder, spans=sentence_spans(few, plan))
    wires = [_apart(store, few, name) for name in named]
    worst = min(wires, key=lambda wire: wire.measured)
    raise_if_tripped([wire for wire in wires if not wire.passed])
    rows = store.n_rows
    shutil.rmtree(folder)
    return {
        "problems": few.numbers,
        "rows": rows,
        "doctor": checks,
        "told_apart": asdict(worst),
    }


def _apart(store: Store, few: Solutions, name: str) -> Tripwire:
    named = {trace.id: trace for trace in few.traces}
    wanted = [(name, number) for number in range(len(named[name].spans))]
    found = sentence_rows(store, named, few.parts, wanted)
    last = found.rows[found.offsets[1:] - 1]
    trace = named[name]
    texts = [trace.text[span.start : span.end].strip() for span in trace.spans]
    return told_apart(store[store.sites[-1]].numpy(last), texts)
