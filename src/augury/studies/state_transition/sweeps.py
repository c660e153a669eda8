"""The later steps: parts of the chosen set, weaker ablations, continuations from the event on."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from augury.causal.edits import Edit, scale
from augury.causal.gates import broken, gates
from augury.causal.generation import sample_edited
from augury.causal.paired import paired_effects
from augury.causal.steering import Measured
from augury.models.load import load_model
from augury.models.sites import parse_site
from augury.report.tables import CellValue, write_csv
from augury.runs.folder import Run
from augury.runs.progress import track
from augury.studies.state_transition.ablation import SELECTED, read_reference
from augury.studies.state_transition.bench import Bench, Written
from augury.studies.state_transition.conditions import ablations
from augury.studies.state_transition.config import StateTransitionConfig
from augury.studies.state_transition.generations import sample_key
from augury.studies.state_transition.pairs import make_pairs

__all__ = ["CONTINUATION", "SCALES", "SUBSETS", "continue_ablated", "sweep_scales", "sweep_subsets"]

SUBSETS = "analysis/subset_sweep_results.csv"
SCALES = "analysis/scale_sweep_results.csv"
CONTINUATION = "analysis/continuation_ablation.csv"


def sweep_subsets(run: Run, config: StateTransitionConfig) -> dict[str, object]:
    """Ablate each chosen sub-layer alone, those of each kind, and all of them."""
    chosen = _chosen(run)
    subsets: dict[str, list[str]] = {site: [site] for site in chosen}
    for kind in ("attn", "mlp"):
        own = [site for site in chosen if parse_site(site).kind == kind]
        if len(own) > 1:
            subsets[f"all_{kind}"] = own
    if len(chosen) > 1:
        subsets["full"] = chosen
    reference, ablation = read_reference(run), config.ablation
    jobs = [
        (name, ablation.scale, ablations(sites, reference, ablation.mode, ablation.scale))
        for name, sites in subsets.items()
    ]
    return {"rows": _swept(run, config, jobs, SUBSETS)}


def sweep_scales(run: Run, config: StateTransitionConfig) -> dict[str, object]:
    """Scale what the chosen sub-layers add, from nothing to nearly all of it."""
    chosen = _chosen(run)
    jobs = [
        ("full", factor, [scale(site, factor) for site in chosen])
        for factor in config.sweeps.scales
    ]
    return {"rows": _swept(run, config, jobs, SCALES)}


def continue_ablated(run: Run, config: StateTransitionConfig) -> dict[str, object]:
    """From the deciding position of real events on: does the event still come?

    The text before is read unedited; the deciding position and all that follows are edited. The
    same draws are made with and without edits, at events and at controls.
    """
    pairs, loaded = make_pairs(run, config), load_model(config.named_model)
    moments = [*pairs.events, *pairs.controls]
    count = len(pairs.pairs)
    limit = config.sweeps.continuation_tokens
    settings = config.generation.sampling.model_copy(update={"max_new_tokens": limit})
    keys = [sample_key(number, 0) for number in range(len(moments))]
    prompts = [moment.ids.tolist() for moment in moments]
    chosen = _chosen(run)

    def came(edits: Sequence[Edit]) -> np.ndarray:
        made = sample_edited(loaded, prompts, edits, settings=settings, keys=keys, at="last token")
        return np.array([float(bool(set(g.ids) & set(pairs.targets))) for g in made.generations])

    clean = came([])
    groups = np.unique(pairs.groups, return_inverse=True)[1]
    rows: list[dict[str, CellValue]] = [_continued(1.0, clean, clean, count, groups)]
    for factor in track(config.sweeps.continuation_scales, what="continuing", unit="scales"):
        edited = came([scale(site, factor) for site in chosen])
        rows.append(_continued(factor, clean, edited, count, groups))
    write_csv(run.path / CONTINUATION, tuple(rows[0]), [tuple(row.values()) for row in rows])
    return {"rows": rows}


def _continued(
    factor: float, clean: np.ndarray, edited: np.ndarray, count: int, groups: np.ndarray
) -> dict[str, CellValue]:
    change = (edited - clean)[:count] - (edited - clean)[count:]
    found = paired_effects(change[:, None], groups)
    held = found.intervals[0]
    return {
        "scale": factor,
        "n_events": count,
        "event_rate": float(edited[:count].mean()),
        "control_rate": float(edited[count:].mean()),
        "event_change": float((edited - clean)[:count].mean()),
        "control_change": float((edited - clean)[count:].mean()),
        "specific": float(found.mean[0]),
        "low": held.low if held else None,
        "high": held.high if held else None,
    }


def _swept(
    run: Run,
    config: StateTransitionConfig,
    jobs: Sequence[tuple[str, float, list[Edit]]],
    path: str,
) -> list[dict[str, CellValue]]:
    bench = Bench(run, config, load_model(config.named_model), make_pairs(run, config))
    clean = bench.write([], "unedited")
    groups = np.unique(bench.groups, return_inverse=True)[1]
    rows = [_row("none", 1.0, 0, clean, clean.measured, groups, config)]
    for name, factor, edits in track(jobs, what="sweeping", unit="ablations"):
        written = bench.write(edits, "sweep")
        rows.append(_row(name, factor, len(edits), written, clean.measured, groups, config))
    write_csv(run.path / path, tuple(rows[0]), [tuple(row.values()) for row in rows])
    return rows


def _row(
    name: str,
    factor: float,
    components: int,
    written: Written,
    clean: Measured,
    groups: np.ndarray,
    config: StateTransitionConfig,
) -> dict[str, CellValue]:
    measured = written.measured
    right = sum(read.state == "right" for read in written.reads)
    judged = right + sum(read.state == "wrong" for read in written.reads)
    found = paired_effects((measured.outcome - clean.outcome)[:, None], groups)
    passed = gates(clean.capability, measured.capability, config.ablation.limits)
    held = found.intervals[0]
    return {
        "total": len(written.reads),
        "backtracking_count": int(measured.outcome.sum()),
        "backtracking_rate": float(measured.outcome.mean()),
        "correct_count": right,
        "accuracy": right / judged if judged else None,
        "subset_name": name,
        "scale": factor,
        "num_components": components,
        "change": float(found.mean[0]),
        "low": held.low if held else None,
        "high": held.high if held else None,
        "gates": "; ".join(str(gate) for gate in passed),
        "breaks_the_model": broken(passed),
    }


def _chosen(run: Run) -> list[str]:
    sites: list[str] = json.loads((run.path / SELECTED).read_text(encoding="utf-8"))["sites"]
    return sites
