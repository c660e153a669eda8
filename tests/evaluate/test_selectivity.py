from __future__ import annotations

import numpy as np
import pytest

from augury.evaluate.metrics import auroc
from augury.evaluate.selectivity import selectivity
from augury.probes.control_task import control_labels

GROUPS = np.repeat(np.arange(30), 40)


def test_a_probe_that_remembers_token_types_is_not_selective() -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 100, 1200)
    control = control_labels(tokens, share=0.3, seed=1)
    real = rng.random(1200) < 0.2
    knows = real + rng.normal(size=1200)
    remembers = selectivity((real, knows), (control, control * 9.0), GROUPS)
    assert remembers.difference.value < -0.1 and remembers.interval.high < 0
    forgets = selectivity((real, knows), (control, rng.normal(size=1200)), GROUPS)
    expected = auroc(real, knows).value - forgets.control.value
    assert forgets.difference.value == pytest.approx(expected)
    assert forgets.interval.low > 0.1


def test_the_interval_is_paired() -> None:
    # The same scores on the same labels differ by nothing in every draw.
    rng = np.random.default_rng(1)
    labels = rng.random(1200) < 0.2
    scores = labels + rng.normal(size=1200)
    found = selectivity((labels, scores), (labels, scores), GROUPS)
    assert (found.interval.low, found.interval.high) == (0, 0)


def test_one_class_is_undefined_and_few_groups_have_no_interval() -> None:
    labels, scores = GROUPS % 2 == 0, np.sin(np.arange(1200.0))
    none = selectivity((labels, scores), (np.zeros(1200, bool), scores), GROUPS)
    assert none.difference.value is None and none.interval is None
    few = selectivity((labels[:200], scores[:200]), (labels[:200], scores[:200]), GROUPS[:200])
    assert few.difference.value == 0 and few.interval is None
