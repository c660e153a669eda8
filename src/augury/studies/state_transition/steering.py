"""Step `steering`: the direction in which deciding states differ, added, erased, compared."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from augury.causal.beyond import Beyond
from augury.causal.paired import paired_effects
from augury.causal.reference import reference_states
from augury.causal.steering import Direction, Dosed, steer
from augury.models.load import load_model
from augury.report.tables import CellValue, write_csv
from augury.runs.folder import Run
from augury.studies.state_transition.ablation import read_reference
from augury.studies.state_transition.bench import Bench
from augury.studies.state_transition.config import StateTransitionConfig
from augury.studies.state_transition.pairs import Pairs, make_pairs

__all__ = ["CURVE", "DRAWS", "steer_own_direction"]

CURVE = "analysis/steering_doses.csv"
DRAWS = "analysis/steering_draws.csv"
_READABLE = 0.05


def steer_own_direction(run: Run, config: StateTransitionConfig) -> dict[str, object]:
    """Fit the direction on one half of the problems, read it on the other, and steer along it."""
    pairs = make_pairs(run, config)
    loaded = load_model(config.named_model)
    site = config.steering_site or f"resid.{len(loaded.blocks.layers) // 2}"
    vector, quiet, readable = _direction(pairs, loaded, site, config)
    reference = read_reference(run)[site]
    bench = Bench(run, config, loaded, pairs)
    found = steer(
        Direction(site, vector, reference, quiet),
        bench.measure,
        bench.groups,
        config.steering,
        readable=bool(readable["p"] is not None and float(readable["p"]) <= _READABLE),
    )
    rate = float(found.clean.outcome.mean())
    curve = [_row(site, dosed, rate) for dosed in (*found.curve, found.erased)]
    write_csv(run.path / CURVE, tuple(curve[0]), [tuple(row.values()) for row in curve])
    drawn = [
        (site, name, number, effect)
        for name, test in found.tests.items()
        for number, effect in enumerate(test.draws)
    ]
    write_csv(run.path / DRAWS, ("site", "family", "draw", "effect"), drawn)
    return {
        "site": site,
        "readable": readable,
        "clean_rate": rate,
        "curve": curve,
        "dose": found.dose,
        "tests": {name: _told(test) for name, test in found.tests.items()},
        "verdict": found.conclusion.verdict,
        "why": found.conclusion.why,
        "problems": len(bench.groups),
    }


def _direction(
    pairs: Pairs, loaded: object, site: str, config: StateTransitionConfig
) -> tuple[np.ndarray, np.ndarray, dict[str, float | None]]:
    """Mean deciding state of events less that of controls, the latter, and what it tells apart."""
    states = []
    for moments in (pairs.events, pairs.controls):
        rows = [np.array([moment.position]) for moment in moments]
        found = reference_states(loaded, [m.ids for m in moments], rows, [site])  # type: ignore[arg-type]
        states.append(found[site].astype(np.float64))
    event, control = states
    chosen = pairs.half == 0
    quiet = control[chosen].mean(axis=0)
    vector = event[chosen].mean(axis=0) - quiet
    apart = ((event - control) @ vector)[~chosen]
    groups = np.unique(
        [g for g, half in zip(pairs.groups, pairs.half, strict=True) if half == 1],
        return_inverse=True,
    )[1]
    test = paired_effects(apart[:, None], groups, seed=config.analysis.seed)
    p = float(test.p[0])
    return (
        vector,
        quiet,
        {
            "p": p if np.isfinite(p) else None,
            "share": float((apart > 0).mean()),
            "pairs": float(test.pairs),
            "groups": float(test.groups),
        },
    )


def _row(site: str, dosed: Dosed, clean: float) -> dict[str, CellValue]:
    capability = dosed.measured.capability
    return {
        "site": site,
        "edit": "erase" if dosed.dose is None else "add",
        "dose": dosed.dose,
        "backtracking_rate": float(dosed.measured.outcome.mean()),
        "clean_rate": clean,
        "effect": dosed.effect,
        "accuracy": capability.accuracy,
        "degenerate": capability.degenerate,
        "perplexity": capability.perplexity,
        "control_kl": capability.control_kl,
        "gates": "; ".join(str(gate) for gate in dosed.gates),
        "passes": all(gate.passed for gate in dosed.gates),
    }


def _told(test: Beyond) -> dict[str, object]:
    return {
        "effect": test.effect,
        "interval": asdict(test.interval) if test.interval else None,
        "p_zero": test.p_zero if np.isfinite(test.p_zero) else None,
        "p_draws": test.p_draws,
        "largest_draw": max((abs(one) for one in test.draws), default=0.0),
        "draws": len(test.draws),
    }
