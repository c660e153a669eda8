"""Do the probes that a run has saved score as its results say?"""

from __future__ import annotations

from collections.abc import Sequence

from augury.activations.store import Store
from augury.errors import CheckFailed
from augury.evaluate.metrics import average_precision
from augury.evaluate.records import CellResult
from augury.probes.bundle import load_bundle
from augury.probes.linear import rescore
from augury.runs.folder import Run
from augury.studies.bundles import probe_folder
from augury.studies.scores import GridAxes, Scores

__all__ = ["verify_probes"]


def verify_probes(
    run: Run, store: Store, scores: Scores, results: Sequence[CellResult], axes: GridAxes
) -> Sequence[str]:
    """Load every probe from disk, score the stored states again, and compare average precision.

    Raises:
        CheckFailed: A score is not the stored one, bit for bit.
    """
    test = scores.rows["side"] == 2
    for result in results:
        number = axes.horizons.index(result.horizon)
        at = scores.use[result.label][:, number] & test
        folder = run.path / probe_folder(result.label, result.site, result.horizon)
        probe, _ = load_bundle(folder, model_identity=store.identity)
        again = rescore(store[result.site], [probe], at)[:, 0]
        truth = scores.labels[result.label][at, number]
        found, expected = average_precision(truth, again), result.average_precision
        if scores.crossed:  # the saved probe is that of the first fold, the result is of all
            stored = scores.of_saved(result.label, result.site)[:, number]
            expected = average_precision(truth, stored[at[test]])
        if found.value != expected.value:
            raise CheckFailed(
                f"probe {folder}",
                found=f"test average precision {found.value!r}",
                expected=f"the stored {expected.value!r}",
            )
    return [f"{len(results)} probes reproduce their stored test score bit for bit"]
