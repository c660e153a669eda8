"""Step `logit-lens`: at which depth the trigger can be seen coming."""

from __future__ import annotations

import numpy as np

from augury.causal.lens import lens_sites, logit_lens
from augury.causal.moments import log_mass
from augury.causal.paired import paired_effects
from augury.models.load import load_model
from augury.models.sites import parse_site
from augury.report.tables import CellValue, write_csv
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.studies.state_transition.config import StateTransitionConfig
from augury.studies.state_transition.pairs import make_pairs

__all__ = ["LENS", "PAIRS", "look"]

LENS = "analysis/logit_lens.csv"
PAIRS = "analysis/pairs.json"


def look(run: Run, config: StateTransitionConfig) -> dict[str, object]:
    """Write the lens at events and at their controls, and the pairs themselves."""
    pairs = make_pairs(run, config)
    loaded = load_model(config.named_model)
    sites = lens_sites(len(loaded.blocks.layers))
    count = len(pairs.pairs)
    moments = [*pairs.events, *pairs.controls]
    found = logit_lens(loaded, moments, sites, log_mass(pairs.targets))
    event, control = found.value[:count], found.value[count:]
    groups = np.unique(pairs.groups, return_inverse=True)[1]
    gap = paired_effects(
        event - control, groups, draws=config.analysis.draws, seed=config.analysis.seed
    )
    rows: list[dict[str, CellValue]] = []
    for column, site in enumerate(sites):
        held = gap.intervals[column]
        rows.append(
            {
                "layer": _layer(site, len(loaded.blocks.layers)),
                "mean_target_logit_bt": float(event[:, column].mean()),
                "mean_target_logit_control": float(control[:, column].mean()),
                "std_bt": float(event[:, column].std()),
                "std_control": float(control[:, column].std()),
                "n_bt": count,
                "n_control": count,
                "control_matching": "position and sentence start, same target set",
                "site": site,
                "difference": float(gap.mean[column]),
                "difference_low": held.low if held else None,
                "difference_high": held.high if held else None,
                "p": _known(gap.p[column]),
                "p_corrected": _known(gap.p_corrected[column]),
                "groups": gap.groups,
                "kl_to_model_bt": float(found.kl[:count, column].mean()),
                "kl_to_model_control": float(found.kl[count:, column].mean()),
            }
        )
    write_csv(run.path / LENS, tuple(rows[0]), [tuple(row.values()) for row in rows])
    write_json(run.path / PAIRS, {"targets": pairs.targets, "pairs": pairs.rows()})
    return {
        "pairs": count,
        "unmatched": pairs.unmatched,
        "groups": gap.groups,
        "distance": float(np.mean([pair.distance for pair in pairs.pairs])),
        "opening": sum(pair.opens_sentence for pair in pairs.pairs),
        "sites": rows,
    }


def _layer(site: str, depth: int) -> int:
    block = parse_site(site).block
    return block if block is not None else {"embed": -1}.get(site, depth)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
