"""Do the statistics keep their promises? Simulated worlds, through the whole pipeline.

    python benchmarks/validity.py [--quick] [--json] [--workers 2] [--only null]

Each world is fitted and judged as a study does it: probes at 5 sites and 7 horizons on training
traces, ridge strengths chosen on validation, baselines, `judge_grid` on test. Every rate is printed
with its standard error. `--json` prints last the family-wise false positive rate, for 10, 20 and 40
groups the interval coverage that is furthest from 95 %, the share of planted cells that were
recovered and the share of leaks that were caught; null where `--only` left the part out.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing import Pool
from multiprocessing.pool import Pool as Workers

import numpy as np
import torch
import validity_leaks as leaks
from validity_scores import PREVALENCES, SCORES, misses, truth
from validity_worlds import HORIZONS, SITES, cells_of, null_world, planted_world, position_world

from augury.evaluate.contract import judge_grid
from augury.evaluate.records import CellResult
from augury.evaluate.verdict import BEYOND_BASELINES, EXPLAINED_BY

ALPHA = 0.05
EFFECTS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
"""In standard deviations of the states along the planted direction."""

STATED_EFFECT = 2.0
GROUPS = (10, 20, 40)


@dataclass(frozen=True)
class Size:
    """Worlds per experiment."""

    null: int
    position: int
    planted: int
    power: int
    coverage: int
    leaks: int


FULL = Size(null=1000, position=200, planted=100, power=40, coverage=2000, leaks=50)
QUICK = Size(null=40, position=16, planted=10, power=4, coverage=100, leaks=4)


def judged(world_cells: list, seed: int) -> list[CellResult]:
    return judge_grid(world_cells, draws=300, permutations=199, seed=seed, alpha=ALPHA)


def null_grid(seed: int) -> tuple[bool, bool, float]:
    """Is any cell significant, is any beyond the baselines, and the share with p <= alpha alone."""
    results = judged(cells_of(null_world(seed)), seed)
    known = [r for r in results if r.p is not None and r.p_corrected is not None]
    significant = any(r.p_corrected <= ALPHA for r in known)
    beyond = any(r.verdict == BEYOND_BASELINES for r in results)
    return significant, beyond, float(np.mean([r.p <= ALPHA for r in known]))


def position_grid(seed: int) -> tuple[bool, bool]:
    """Does the strongest cell name position, and is any cell beyond the baselines."""
    results = judged(cells_of(position_world(seed)), seed)
    named = strongest(results).verdict == f"{EXPLAINED_BY}position"
    return named, any(r.verdict == BEYOND_BASELINES for r in results)


def planted_grid(effect: float, seed: int) -> tuple[bool, bool]:
    """Is the strongest cell the planted one and beyond the baselines, and is any other beyond."""
    site, horizon = SITES[seed % len(SITES)], HORIZONS[seed % len(HORIZONS)]
    world = planted_world(seed, site=site, horizon=horizon, effect=effect)
    results = judged(cells_of(world), seed)
    best = strongest(results)
    found = (best.site, best.horizon, best.verdict) == (site, horizon, BEYOND_BASELINES)
    others = [r for r in results if (r.site, r.horizon) != (site, horizon)]
    return found, any(r.verdict == BEYOND_BASELINES for r in others)


def strongest(results: Iterable[CellResult]) -> CellResult:
    """The cell with the smallest corrected p; of equals, the one with the highest score."""
    known = [r for r in results if r.p_corrected is not None]
    return min(known, key=lambda r: (r.p_corrected, -(r.average_precision.value or 0.0)))


def one_thread() -> None:
    torch.set_num_threads(1)


def rate(found: Iterable[bool]) -> str:
    """A share and its standard error, in percent."""
    values = np.asarray(list(found), dtype=float)
    share, n = float(values.mean()), len(values)
    # Never 0: half a case more and less.
    error = np.sqrt((values.sum() + 0.5) * (n - values.sum() + 0.5)) / (n + 1) ** 1.5
    return f"{100 * share:.1f} ± {100 * error:.1f}"


def run_null(workers: Workers, size: Size) -> dict[str, object]:
    found = workers.map(null_grid, range(size.null), chunksize=4)
    significant, beyond, single = zip(*found, strict=True)
    print(f"\n| {size.null} null grids of {len(SITES)} x {len(HORIZONS)} cells | % |\n|---|---|")
    print(f"| any cell with corrected p <= 0.05 | {rate(significant)} |")
    print(f"| any cell `{BEYOND_BASELINES}` | {rate(beyond)} |")
    error = np.std(single, ddof=1) / np.sqrt(len(single))
    print(f"| cells with p <= 0.05, alone | {100 * np.mean(single):.1f} ± {100 * error:.1f} |")
    return {"fwer": round(float(np.mean(significant)), 4)}


def run_position(workers: Workers, size: Size) -> dict[str, object]:
    found = workers.map(position_grid, range(size.position), chunksize=2)
    named, beyond = zip(*found, strict=True)
    print(f"\n| {size.position} worlds in which position is the cause | % |\n|---|---|")
    print(f"| strongest cell is `{EXPLAINED_BY}position` | {rate(named)} |")
    print(f"| any cell `{BEYOND_BASELINES}` (at most 5) | {rate(beyond)} |")
    return {}


def run_planted(workers: Workers, size: Size) -> dict[str, object]:
    print(
        "\n| planted effect, sd | worlds | recovered % | another cell beyond % |\n|---|---|---|---|"
    )
    shares = {}
    for effect in EFFECTS:
        worlds = size.planted if effect == STATED_EFFECT else size.power
        tasks = [(effect, seed) for seed in range(worlds)]
        found, other = zip(*workers.starmap(planted_grid, tasks, chunksize=1), strict=True)
        print(f"| {effect} | {worlds} | {rate(found)} | {rate(other)} |")
        shares[effect] = float(np.mean(found))
    return {"planted_recovered": shares[STATED_EFFECT]}


def run_coverage(workers: Workers, size: Size) -> dict[str, object]:
    known = dict(zip(PREVALENCES, workers.map(truth, PREVALENCES, chunksize=1), strict=True))
    print("\n| 95 % intervals: prevalence | groups | score | covered % | below, above % | none % |")
    print("|---|---|---|---|---|---|")
    worst = {}
    for groups in GROUPS:
        covered = []
        for prevalence in PREVALENCES:
            tasks = [(groups, prevalence, known[prevalence], seed) for seed in range(size.coverage)]
            all_ = workers.starmap(misses, tasks, chunksize=10)
            given = np.array([one for one in all_ if one is not None])
            none = 100 * (1 - len(given) / len(all_))
            for name, side in zip(SCORES, given.T, strict=True):
                tails = ", ".join(f"{100 * np.mean(side == end):.1f}" for end in (-1, 1))
                line = f"| {prevalence} | {groups} | {name} | {rate(side == 0)} | {tails} |"
                print(f"{line} {none:.1f} |")
                covered.append(float(np.mean(side == 0)))
        worst[str(groups)] = round(max(covered, key=lambda share: abs(share - 0.95)), 4)
    return {"coverage": worst}


def run_leaks(workers: Workers, size: Size) -> dict[str, object]:
    seeds = range(size.leaks)
    print(f"\n| leaks in {size.leaks} null worlds | caught % |\n|---|---|")
    caught = {}
    for what, check in (
        ("tokens of one trace on two sides", leaks.token_split_is_caught),
        ("the same, every token declared a group", leaks.hidden_token_split_is_caught),
        ("the same text under two groups", leaks.same_text_is_caught),
    ):
        found = workers.map(check, seeds, chunksize=1)
        caught[what] = float(np.mean(found))
        print(f"| {what} | {rate(found)} |")
    passed = workers.map(leaks.disguised_split_is_predictive, seeds, chunksize=1)
    print(f"\nPieces of ten tokens declared traces and groups: a cell passes in {rate(passed)} %.")
    by_trace, by_token = np.mean(workers.map(leaks.aurocs, seeds, chunksize=1), axis=0)
    print(f"Mean test AUROC, split by trace {by_trace:.3f}, by token {by_token:.3f}.")
    return {"leak_caught": min(caught.values())}


RUNS: dict[str, Callable[[Workers, Size], dict[str, object]]] = {
    "null": run_null,
    "position": run_position,
    "planted": run_planted,
    "coverage": run_coverage,
    "leaks": run_leaks,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer worlds, wider error bars")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--only", choices=tuple(RUNS), help="one part of it")
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else FULL
    summary: dict[str, object] = dict.fromkeys(
        ("fwer", "coverage", "planted_recovered", "leak_caught")
    )
    with Pool(arguments.workers, initializer=one_thread) as workers:
        for name, run in RUNS.items():
            if arguments.only in (None, name):
                start = time.perf_counter()
                summary |= run(workers, size)
                print(f"\n{name}: {time.perf_counter() - start:.0f} s", flush=True)
    if arguments.json:
        print(json.dumps(summary))


if __name__ == "__main__":
    main()
