"""How long a grid of probes takes: ours, its peers and the limit, interleaved in one process.

    python -m benchmarks.probes [--quick] [--json] [--agreement]

200,000 rows x 1024 autoregressive features on unlike scales, 3 % positives, 5 sites x 7 horizons
(`--quick`: 40,000 x 512, 2 sites). Every way fits the same rows, in float32, in an order that
changes from site to site. Times are for 35 cells: the median over sites of one site's, times 5.

| way          | what                                                                         |
|--------------|------------------------------------------------------------------------------|
| ours, 35     | 7 columns a site to a relative gradient of 1e-5, moments and Gram counted    |
| ours, 350    | 70 columns a site: 7 horizons x 5 folds x 2 strengths                        |
| scikit-learn | lbfgs, default tolerance and C = 1, which is our objective; cell by cell     |
| good Adam    | batches of 4096 standardised rows and our ridge; else as the seeds' loop     |
| seeds' loop  | Adam, batches of 64, up to 50 epochs, 5 without better F1 end it; by cell    |
| limit        | one read of the rows with one matrix product of 7 columns                    |

Ways that go cell by cell are timed on one cell of each site and scaled by the number of cells;
those that need standardised rows get them once per site, and that is counted once. For
350 columns scikit-learn gets the mean of two strengths' time on 4/5 of the rows. `of_limit`: the
time of as many limits as ours has reads, over ours.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from benchmarks.probe_agreement import table
from scipy.signal import lfilter
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from augury.probes.columns import SharedColumns
from augury.probes.grid import fit_columns, fit_logistic_grid
from augury.probes.rows import blocks

HORIZONS, SITES, FOLDS = 7, 5, 5
PREVALENCE, CORRELATION = 0.03, 0.95


class Site(NamedTuple):
    """Rows to fit and rows to stop by."""

    states: np.ndarray
    labels: np.ndarray
    held_states: np.ndarray
    held_labels: np.ndarray

    @property
    def l2(self) -> float:
        """scikit-learn's default C = 1 in our objective."""
        return 1 / len(self.states)


def make_site(rows: int, hidden: int, seed: int) -> Site:
    """Labels follow logistic models whose directions and strengths drift with the horizon."""
    rng = np.random.default_rng(seed)
    count = rows + rows // 8
    noise = rng.standard_normal((count, hidden), dtype=np.float32)
    noise *= np.sqrt(1 - CORRELATION**2, dtype=np.float32)
    states = lfilter([1.0], np.array([1, -CORRELATION], np.float32), noise, axis=1)
    common = rng.standard_normal(hidden)
    labels = np.empty((count, HORIZONS), bool)
    for horizon in range(HORIZONS):
        direction = 0.9 * common + 0.45 * rng.standard_normal(hidden)
        signal = states @ direction.astype(np.float32)
        chance = 3 * 0.85**horizon * signal / signal.std() + rng.logistic(size=count)
        labels[:, horizon] = chance > np.quantile(chance, 1 - PREVALENCE)
    scale = np.exp(rng.standard_normal(hidden)).astype(np.float32)
    states = (states + rng.standard_normal(hidden).astype(np.float32)) * scale
    states = np.ascontiguousarray(states, dtype=np.float32)
    return Site(states[:rows], labels[:rows], states[rows:], labels[rows:])


class Outcome(NamedTuple):
    """What a way has to show for its time."""

    weight: np.ndarray | None
    """Raw weights of one column [hidden]."""

    column: int
    passes: int = 0


def ours(site: Site, column: int) -> Outcome:
    weights = np.ones(site.labels.shape, np.float32)
    grid = fit_logistic_grid(site.states, site.labels, weights, np.full(HORIZONS, site.l2))
    if not grid.converged.all():
        raise RuntimeError(str(grid.problem))
    return Outcome(grid.weight[column], column, grid.passes)


def ours_wide(site: Site) -> Outcome:
    fold = np.arange(len(site.states)) % FOLDS
    target, mask, strength = (
        axis.ravel() for axis in np.meshgrid(range(HORIZONS), range(FOLDS), (1, 100), indexing="ij")
    )
    one = np.ones(len(target))
    columns = SharedColumns(site.labels, fold[:, None] != np.arange(FOLDS), target, mask, one, one)
    grid = fit_columns(site.states, columns, strength * site.l2)
    if not grid.converged.all():
        raise RuntimeError(str(grid.problem))
    return Outcome(grid.weight[0], 0, grid.passes)


def standardised(site: Site) -> tuple[Site, np.ndarray]:
    """The site in standard units, and the spread of its features [hidden]."""
    mean, spread = site.states.mean(0), site.states.std(0)
    states, held = ((rows - mean) / spread for rows in (site.states, site.held_states))
    return site._replace(states=states, held_states=held), spread


def scikit_learn(standard: Site, spread: np.ndarray, column: int, strength: float) -> Outcome:
    peer = LogisticRegression(C=1 / strength, max_iter=1000)
    peer.fit(standard.states, standard.labels[:, column])
    return Outcome(peer.coef_[0] / spread, column)


def adam(
    site: Site, column: int, *, batch: int, ridge: float, spread: np.ndarray | float = 1.0
) -> Outcome:
    """Weighted positives, a ridge in the loss, the best epoch by F1 on other rows."""
    rows, test = torch.from_numpy(site.states), torch.from_numpy(site.held_states)
    truth = torch.from_numpy(site.labels[:, column].astype(np.float32))
    held_truth = torch.from_numpy(site.held_labels[:, column])
    torch.manual_seed(0)
    layer = torch.nn.Linear(rows.shape[1], 1)
    optimiser = torch.optim.Adam(layer.parameters(), lr=1e-3)
    loss_of = torch.nn.BCEWithLogitsLoss(pos_weight=(1 - truth).sum() / truth.sum())
    best, kept, waited = -1.0, layer.weight.detach().clone(), 0
    for _ in range(50):
        for picked in torch.randperm(len(rows)).split(batch):
            optimiser.zero_grad()
            loss = loss_of(layer(rows[picked])[:, 0], truth[picked])
            (loss + ridge * layer.weight.square().sum()).backward()
            optimiser.step()
        with torch.no_grad():
            said = layer(test)[:, 0] > 0
        quality = float(2 * (said & held_truth).sum() / (said.sum() + held_truth.sum()))
        waited = 0 if quality > best else waited + 1
        if quality > best:
            best, kept = quality, layer.weight.detach().clone()
        if waited == 5:
            break
    return Outcome(kept[0].numpy() / spread, column)


def limit(site: Site) -> Outcome:
    vectors = torch.randn(HORIZONS, site.states.shape[1])
    for _, block in blocks(site.states, np.ones(len(site.states), bool)):
        vectors @ block.T
    return Outcome(None, 0)


Times = dict[str, list[float]]
Areas = dict[str, list[float]]


def ways_of(
    site: Site, standard: Site, spread: np.ndarray, column: int
) -> dict[str, Callable[[], Outcome]]:
    """What is timed on one site."""
    gentle, batch = site.l2 / 2, 4096
    return {
        "ours, 35": lambda: ours(site, column),
        "ours, 350": lambda: ours_wide(site),
        "scikit-learn": lambda: scikit_learn(standard, spread, column, 1),
        "scikit-learn, strong": lambda: scikit_learn(standard, spread, column, 100),
        "good Adam": lambda: adam(standard, column, batch=batch, ridge=gentle, spread=spread),
        "seeds' loop": lambda: adam(site, column, batch=64, ridge=0.01),
        "limit": lambda: limit(site),
    }


def measure(rows: int, hidden: int, sites: int) -> tuple[Times, Areas, int]:
    """Seconds for one site by each way (one cell of those that go cell by cell)."""
    times, areas = defaultdict(list), defaultdict(list)
    passes = 0
    for number in range(sites):
        site, column = make_site(rows, hidden, number), number % HORIZONS
        start = time.perf_counter()
        standard, spread = standardised(site)
        times["standardise"].append(time.perf_counter() - start)
        ways = ways_of(site, standard, spread, column)
        order = list(ways)
        random.Random(number).shuffle(order)
        ours(make_site(2000, 64, 0), 0)  # libraries load on first use
        for name in order:
            start = time.perf_counter()
            found = ways[name]()
            times[name].append(time.perf_counter() - start)
            passes = max(passes, found.passes) if name == "ours, 35" else passes
            if found.weight is not None:
                truth = site.held_labels[:, found.column]
                areas[name].append(roc_auc_score(truth, site.held_states @ found.weight))
    return times, areas, passes


def totals(times: Times) -> dict[str, float]:
    """Seconds for all sites and cells."""
    middle = {name: statistics.median(values) for name, values in times.items()}
    cells = {"scikit-learn": HORIZONS, "good Adam": HORIZONS, "seeds' loop": HORIZONS}
    whole = {name: middle[name] * SITES * cells.get(name, 1) for name in middle}
    both = (middle["scikit-learn"] + middle["scikit-learn, strong"]) / 2
    whole["scikit-learn, 350"] = both * (FOLDS - 1) / FOLDS * SITES * HORIZONS * FOLDS * 2
    for name in ("scikit-learn", "scikit-learn, 350", "good Adam"):
        whole[name] += whole["standardise"]
    del whole["scikit-learn, strong"], whole["standardise"]
    return whole


def ratios(whole: dict[str, float], passes: int) -> dict[str, float]:
    """The numbers of the goals."""
    best = whole["ours, 35"]
    return {
        "vs_seed_loop": round(whole["seeds' loop"] / best, 1),
        "vs_good_adam": round(whole["good Adam"] / best, 1),
        "vs_sklearn": round(whole["scikit-learn"] / best, 1),
        "vs_sklearn_350": round(whole["scikit-learn, 350"] / whole["ours, 350"], 1),
        "columns_350_over_35": round(whole["ours, 350"] / best, 2),
        "passes": passes,
        "of_limit": round(passes * whole["limit"] / best, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rows, features and sites")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--agreement", action="store_true", help="compare optima, not times")
    arguments = parser.parse_args()
    if arguments.agreement:
        print(table())
        return
    warnings.simplefilter("ignore")
    shape = (40_000, 512, 2) if arguments.quick else (200_000, 1024, SITES)
    load = os.getloadavg()[0]
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {load:.1f} at "
        f"the start; torch {torch.__version__}, {torch.get_num_threads()} threads; "
        f"{shape[0]} x {shape[1]}, {shape[2]} sites"
    )
    times, areas, passes = measure(*shape)
    whole = totals(times)
    print(f"\n{'way':20s}{'seconds':>10s}{'times ours':>12s}{'held-out AUROC':>16s}")
    for name, value in sorted(whole.items(), key=lambda item: item[1]):
        area = f"{statistics.mean(areas[name]):.4f}" if areas.get(name) else ""
        print(f"{name:20s}{value:10.2f}{value / whole['ours, 35']:12.2f}{area:>16s}")
    found = ratios(whole, passes)
    print(f"\nreads per site: {passes}; spread of ours over sites: ", end="")
    print(", ".join(f"{value:.2f}" for value in sorted(times["ours, 35"])))
    if arguments.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
