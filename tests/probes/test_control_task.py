from __future__ import annotations

import numpy as np
import pytest

from augury.errors import UsageError
from augury.probes.control_task import control_labels


def test_a_type_has_one_label_wherever_it_occurs() -> None:
    tokens = np.random.default_rng(0).integers(0, 500, 20_000)
    labels = control_labels(tokens, share=0.3, seed=0)
    for kind in range(500):
        assert len(set(labels[tokens == kind])) == 1
    np.testing.assert_array_equal(control_labels(tokens[::-1], share=0.3, seed=0), labels[::-1])


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_labels_are_random_over_types_and_seeds(share: float) -> None:
    types = np.arange(40_000)
    drawn = np.stack([control_labels(types, share=share, seed=seed) for seed in range(4)])
    assert drawn.mean(axis=1) == pytest.approx(share, abs=0.01)
    assert np.abs(np.corrcoef(drawn) - np.eye(4)).max() < 0.03
    # Neighbouring ids are no more alike than others.
    assert np.corrcoef(drawn[0, 1:], drawn[0, :-1])[0, 1] == pytest.approx(0, abs=0.03)


def test_a_share_of_none_or_all_is_refused() -> None:
    with pytest.raises(UsageError, match="share 0"):
        control_labels(np.arange(3), share=0.0, seed=0)
