"""Steps `generate --condition ...` and `compare-conditions`: does ablation take events away?

The chosen sub-layers together, and many random sets of as many others at similar depths and norms.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from augury.causal.beyond import FEWEST_DRAWS, beyond_draws
from augury.causal.draws import SiteDraw, matched_site_draws
from augury.causal.edits import Edit, mean, scale, zero
from augury.causal.gates import Capability, Gate, broken, gates
from augury.causal.steering import Measured
from augury.models.load import load_model, load_tokenizer
from augury.report.tables import CellValue, write_csv
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.runs.progress import track
from augury.studies.state_transition.ablation import SELECTED, read_reference
from augury.studies.state_transition.bench import Bench, Written
from augury.studies.state_transition.config import StateTransitionConfig
from augury.studies.state_transition.events import rates, write_events
from augury.studies.state_transition.generations import generation_path, read_rows, save_rows
from augury.studies.state_transition.pairs import make_pairs
from augury.studies.state_transition.texts import Read, read_texts

__all__ = [
    "COMPARISON",
    "CONDITION_EVENTS",
    "HOOKS",
    "RANDOM",
    "TARGETED",
    "ablate_random",
    "ablate_targeted",
    "ablations",
    "compare",
]

TARGETED, RANDOM = "targeted_ablation", "random_ablation"
COMPARISON = "analysis/condition_comparison.csv"
CONDITION_EVENTS = "analysis/condition_events.csv"
HOOKS = "analysis/hook_debug.json"
_CLEAN = "unedited"
_MEASURED = "analysis/{}_measured.json"


def ablations(
    sites: Sequence[str],
    reference: dict[str, np.ndarray],
    mode: str,
    factor: float,
) -> list[Edit]:
    """Edits that take away what these sites add."""
    if mode == "mean":
        return [mean(site, reference[site]) for site in sites]
    return [zero(site) if mode == "zero" else scale(site, factor) for site in sites]


def ablate_targeted(run: Run, config: StateTransitionConfig) -> dict[str, object]:
    """Write under the ablation of the chosen sub-layers, and without, on the same problems."""
    bench, reference = _bench(run, config), read_reference(run)
    chosen = _selected(run)["sites"]
    own = ablations(chosen, reference, config.ablation.mode, config.ablation.scale)
    out = {}
    for name, edits in ((_CLEAN, []), (TARGETED, own)):
        written = bench.write(edits, name, path=generation_path(run, config.analysis.variant, name))
        out[name] = _plain(written, edits)
    write_json(run.path / _MEASURED.format(TARGETED), out | {"groups": bench.groups})
    return {"sites": chosen}


def ablate_random(run: Run, config: StateTransitionConfig) -> dict[str, object]:
    """Write under the ablation of random sets of as many other sub-layers."""
    bench, reference, selected = _bench(run, config), read_reference(run), _selected(run)
    draws = matched_site_draws(
        selected["sites"],
        selected["norms"],
        count=config.ablation.random_draws,
        seed=config.analysis.seed,
    )
    settings = config.ablation
    rows, out = [], []
    for number, draw in enumerate(track(draws, what="random ablations", unit="draws")):
        edits = ablations(draw.sites, reference, settings.mode, settings.scale)
        written = bench.write(edits, RANDOM, draw=number)
        rows += [read.row for read in written.reads]
        out.append(_plain(written, edits) | _told(draw))
    save_rows(generation_path(run, config.analysis.variant, RANDOM), rows)
    write_json(run.path / _MEASURED.format(RANDOM), {"draws": out})
    return {"draws": len(draws), "asked_for": settings.random_draws}


def compare(run: Run, config: StateTransitionConfig) -> dict[str, object]:
    """Compare the conditions problem by problem, with what each cost the model."""
    tokenizer = load_tokenizer(config.named_model)
    targeted = _json(run, _MEASURED.format(TARGETED))
    drawn = _json(run, _MEASURED.format(RANDOM))["draws"]
    variant = config.analysis.variant
    reads = {
        name: read_texts(run, config, tokenizer, read_rows(generation_path(run, variant, name)))
        for name in (_CLEAN, TARGETED, RANDOM)
    }
    clean = _measured(targeted[_CLEAN])
    own = _measured(targeted[TARGETED])
    others = [_measured(one) for one in drawn]
    limits = config.ablation.limits
    own_gates = gates(clean.capability, own.capability, limits)
    draw_gates = [gates(clean.capability, one.capability, limits) for one in others]
    groups = np.unique(targeted["groups"], return_inverse=True)[1]
    found = beyond_draws(clean.outcome, own.outcome, [one.outcome for one in others], groups)
    write_events(run.path / CONDITION_EVENTS, [read for part in reads.values() for read in part])
    rows = [_row("baseline", variant, reads[_CLEAN], clean, ())]
    rows.append(_row(TARGETED, variant, reads[TARGETED], own, own_gates))
    for number, one in enumerate(others):
        part = [read for read in reads[RANDOM] if read.row.draw == number]
        rows.append(_row(RANDOM, variant, part, one, draw_gates[number], number, drawn[number]))
    write_csv(run.path / COMPARISON, tuple(rows[0]), [tuple(row.values()) for row in rows])
    write_json(run.path / HOOKS, {TARGETED: targeted[TARGETED]["calls"], "sites": _selected(run)})
    return {
        "sites": _selected(run)["sites"],
        "clean_rate": float(clean.outcome.mean()),
        "own_rate": float(own.outcome.mean()),
        "random_rates": [float(one.outcome.mean()) for one in others],
        "effect": found.effect,
        "low": found.interval.low if found.interval else None,
        "high": found.interval.high if found.interval else None,
        "p_zero": found.p_zero if np.isfinite(found.p_zero) else None,
        "p_draws": found.p_draws,
        "enough_draws": len(others) >= FEWEST_DRAWS,
        "beats_draws": found.moves(sign=-1),
        "gates": [str(gate) for gate in own_gates],
        "broken": broken(own_gates),
        "random_broken": sum(broken(one) for one in draw_gates),
        "problems": len(groups),
        "calls": targeted[TARGETED]["calls"],
    }


def _bench(run: Run, config: StateTransitionConfig) -> Bench:
    return Bench(run, config, load_model(config.named_model), make_pairs(run, config))


def _selected(run: Run) -> dict[str, Any]:
    return _json(run, SELECTED)


def _json(run: Run, name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((run.path / name).read_text(encoding="utf-8"))
    return value


def _plain(written: Written, edits: Sequence[Edit]) -> dict[str, Any]:
    capability = written.measured.capability
    return {
        "sites": [edit.site for edit in edits],
        "outcome": written.measured.outcome.tolist(),
        "capability": {
            "loops": capability.loops.tolist(),
            "perplexity": capability.perplexity,
            "control_kl": capability.control_kl,
            "right": None if capability.right is None else capability.right.tolist(),
        },
        "calls": {
            "total_calls": sum(written.calls.edited.values())
            + sum(written.calls.passed_over.values()),
            "ablation_calls": sum(written.calls.edited.values()),
            "skipped_calls": sum(written.calls.passed_over.values()),
            "seq_len_distribution": {
                str(length): count for length, count in sorted(written.calls.lengths.items())
            },
            "by_site": dict(written.calls.edited),
        },
    }


def _told(draw: SiteDraw) -> dict[str, Any]:
    return {"depth_apart": draw.depth_apart, "norm_apart": draw.norm_apart}


def _measured(stored: dict[str, Any]) -> Measured:
    cost = stored["capability"]
    capability = Capability(
        loops=np.array(cost["loops"]),
        perplexity=cost["perplexity"],
        control_kl=cost["control_kl"],
        right=None if cost["right"] is None else np.array(cost["right"]),
    )
    return Measured(np.array(stored["outcome"]), capability)


def _row(
    condition: str,
    variant: str,
    reads: Sequence[Read],
    measured: Measured,
    found: tuple[Gate, ...],
    draw: int = -1,
    told: dict[str, Any] | None = None,
) -> dict[str, CellValue]:
    rate, told = rates(reads), told or {}
    return {
        "variant": variant,
        "condition": condition,
        "total": rate["total"],
        "backtracking_count": rate["backtracking_count"],
        "backtracking_rate": rate["backtracking_rate"],
        "accuracy": rate["accuracy"],
        "draw": draw,
        "sites": " ".join(told.get("sites", ())),
        "right": rate["states"]["right"],
        "wrong": rate["states"]["wrong"],
        "unparsed": rate["states"]["unparsed"],
        "truncated": rate["states"]["truncated"],
        "unjudged": rate["states"]["unjudged"],
        "degenerate": measured.capability.degenerate,
        "perplexity": measured.capability.perplexity,
        "control_kl": measured.capability.control_kl,
        "depth_apart": told.get("depth_apart"),
        "norm_apart": told.get("norm_apart"),
        "gates": "; ".join(str(gate) for gate in found),
        "breaks_the_model": broken(found) if found else None,
    }
