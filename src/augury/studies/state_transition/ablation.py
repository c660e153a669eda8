"""Step `ablation-scan`: which sub-layers decide, by taking each away at the deciding position."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from safetensors.numpy import load_file, save_file

from augury.causal.edits import Edit, mean, resample, scale, zero
from augury.causal.moments import log_mass
from augury.causal.reference import mean_norms, reference_states
from augury.causal.scan import Scan, scan
from augury.causal.selection import SplitEffects, split_effects
from augury.errors import DataError
from augury.models.load import LoadedModel, load_model
from augury.models.sites import parse_site
from augury.report.tables import CellValue, write_csv
from augury.runs.atomic import ensure_folder, replacing, write_json
from augury.runs.folder import Run
from augury.studies.state_transition.config import StateTransitionConfig
from augury.studies.state_transition.pairs import Pairs, make_pairs

__all__ = [
    "IMPORTANCE",
    "REFERENCE",
    "SELECTED",
    "ablation_scan",
    "read_reference",
    "sublayers",
]

IMPORTANCE = "analysis/ablation_importance.csv"
SELECTED = "analysis/selected_layers.json"
REFERENCE = "data/reference.safetensors"
_REFERENCE_ROWS = 4000
_NOTHING = "nothing"
_SPARED = 0.5


def ablation_scan(run: Run, config: StateTransitionConfig) -> dict[str, object]:
    """Scan, select on one half of the problems, report on the other.

    Raises:
        DataError: No sub-layer takes anything away from events alone, in the selection half.
    """
    pairs = make_pairs(run, config)
    loaded = load_model(config.named_model)
    sites = sublayers(loaded)
    reference = _write_reference(run, config, loaded, pairs)
    readout = log_mass(pairs.targets)
    edits = {site: [_edit(site, reference[site], config)] for site in sites}
    started = time.perf_counter()
    # An edit that changes nothing is scanned beside the others: its effect has to be exactly 0.
    edits[_NOTHING] = [scale(sites[0], 1.0)]
    found = scan(loaded, [*pairs.events, *pairs.controls], edits, readout)
    seconds = time.perf_counter() - started
    count = len(pairs.pairs)
    effects = split_effects(
        found.names[:-1],
        (found.change[:count] - found.change[count:])[:, :-1],
        pairs.groups,
        pairs.half,
        draws=config.analysis.draws,
        seed=config.analysis.seed,
    )
    specific = _specific(found, pairs.half)
    chosen = {
        kind: effects.strongest(
            [s for s in specific if parse_site(s).kind == kind], config.ablation.topk
        )
        for kind in ("attn", "mlp")
    }
    if not any(chosen.values()):
        raise DataError(
            "ablation-scan",
            found="no sub-layer whose ablation makes events less likely and spares controls",
            expected="at least one",
            fix="look at analysis/ablation_importance.csv; try another analysis.scan",
        )
    rows = _rows(found, effects, count, [site for own in chosen.values() for site in own])
    write_csv(run.path / IMPORTANCE, tuple(rows[0]), [tuple(row.values()) for row in rows])
    norms = mean_norms({site: reference[site] for site in sites})
    write_json(
        run.path / SELECTED,
        {kind: [parse_site(site).block for site in own] for kind, own in chosen.items()}
        | {"sites": [s for own in chosen.values() for s in own], "norms": norms},
    )
    return {
        "pairs": count,
        "report_pairs": effects.report.pairs,
        "report_groups": effects.report.groups,
        "selected": [site for own in chosen.values() for site in own],
        "calls": found.calls,
        "seconds": round(seconds, 3),
        "nothing_moved": float(np.abs(found.change[:, -1]).max()),
        "rows": rows,
    }


def sublayers(loaded: LoadedModel) -> tuple[str, ...]:
    """Every attention and MLP site, in the order of the model."""
    blocks = range(len(loaded.blocks.layers))
    return tuple(f"{kind}.{block}" for block in blocks for kind in ("attn", "mlp"))


def read_reference(run: Run) -> dict[str, np.ndarray]:
    """Reference states by site, float32 [row, hidden]: what sites hold as the model writes."""
    return dict(load_file(run.path / REFERENCE))


def _write_reference(
    run: Run, config: StateTransitionConfig, loaded: LoadedModel, pairs: Pairs
) -> dict[str, np.ndarray]:
    """States at completion tokens, evenly thinned, of the selection half's problems only."""
    ids, rows = [], []
    chosen = {pair.group for pair in pairs.pairs if pair.half == 1}
    reads = [read for read in pairs.reads if read.group not in chosen]
    total = sum(read.row.completion_tokens for read in reads)
    step = max(1, total // _REFERENCE_ROWS)
    for read in reads:
        at = np.arange(read.row.prompt_tokens, len(read.ids))[::step]
        if len(at):
            ids.append(read.ids)
            rows.append(at)
    blocks = range(len(loaded.blocks.layers))
    wanted = [*sublayers(loaded), *(f"resid.{block}" for block in blocks)]
    states = reference_states(loaded, ids, rows, wanted)
    ensure_folder((run.path / REFERENCE).parent)
    with replacing(run.path / REFERENCE) as path:
        save_file(states, path)
    return states


def _specific(found: Scan, half: np.ndarray) -> list[str]:
    """Sub-layers whose ablation moves the next token at controls less than half as far.

    What upsets every next token alike is no cause of events, however far these fall: at controls
    the target set is unlikely already and cannot fall as far. Judged on the selection half.
    """
    count = len(half)
    chosen = half == 0
    event, control = found.kl[:count][chosen], found.kl[count:][chosen]
    spares = control.mean(axis=0) < _SPARED * event.mean(axis=0)
    return [name for name, ok in zip(found.names, spares, strict=True) if ok]


def _edit(site: str, reference: np.ndarray, config: StateTransitionConfig) -> Edit:
    kind = config.analysis.scan
    if kind == "mean":
        return mean(site, reference)
    if kind == "resample":
        return resample(site, reference, seed=config.analysis.seed)
    return zero(site) if kind == "zero" else scale(site, config.analysis.scale)


def _rows(
    found: Scan, effects: SplitEffects, count: int, chosen: Sequence[str]
) -> list[dict[str, CellValue]]:
    """Most negative first by the selection half, as the first version sorted."""
    rows: list[dict[str, CellValue]] = []
    for column in np.argsort(effects.selection, kind="stable"):
        site = effects.names[column]
        name = parse_site(site)
        event, control = found.change[:count, column], found.change[count:, column]
        held = effects.report.intervals[column]
        p = (effects.report.p[column], effects.report.p_corrected[column])
        rows.append(
            {
                "layer": name.block,
                "component": name.kind,
                "delta_wait_logit_mean": float(event.mean()),
                "delta_wait_logit_std": float(event.std()),
                "n_events": count,
                "site": site,
                "delta_control_mean": float(control.mean()),
                "specific_selection": float(effects.selection[column]),
                "specific_report": float(effects.report.mean[column]),
                "specific_low": held.low if held else None,
                "specific_high": held.high if held else None,
                "p": float(p[0]) if np.isfinite(p[0]) else None,
                "p_corrected": float(p[1]) if np.isfinite(p[1]) else None,
                "kl_event": float(found.kl[:count, column].mean()),
                "kl_control": float(found.kl[count:, column].mean()),
                "selected": site in chosen,
            }
        )
    return rows
