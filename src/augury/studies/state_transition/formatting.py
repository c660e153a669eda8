"""Step `formatting-sweep`: the same problems in every format, compared problem by problem."""

from __future__ import annotations

import numpy as np

from augury.causal.paired import paired_effects
from augury.models.load import load_tokenizer
from augury.report.tables import CellValue, write_csv
from augury.runs.folder import Run
from augury.studies.state_transition.baseline import read_baseline
from augury.studies.state_transition.config import StateTransitionConfig
from augury.studies.state_transition.events import analysed_onsets, rates
from augury.studies.state_transition.texts import Read, read_texts

__all__ = ["FORMATS", "sweep_formats"]

FORMATS = "analysis/formatting_summary.csv"


def sweep_formats(run: Run, config: StateTransitionConfig) -> dict[str, object]:
    """Write rates by format, and their paired differences from the analysed one."""
    tokenizer = load_tokenizer(config.named_model)
    reads = {
        variant.name: read_texts(run, config, tokenizer, read_baseline(run, variant.name))
        for variant in config.prompting.variants
    }
    base = config.analysis.variant
    others = [name for name in reads if name != base]
    shares = {name: _by_group(part, config) for name, part in reads.items()}
    groups = sorted(shares[base])
    rows: list[dict[str, CellValue]] = []
    found = None
    if others:
        differences = np.array([[shares[n][g] - shares[base][g] for n in others] for g in groups])
        found = paired_effects(
            differences,
            np.arange(len(groups)),
            draws=config.analysis.draws,
            seed=config.analysis.seed,
        )
    for name, part in reads.items():
        rate = rates(part)
        row: dict[str, CellValue] = {
            "variant": name,
            "total": rate["total"],
            "backtracking_count": rate["backtracking_count"],
            "backtracking_rate": rate["backtracking_rate"],
            "accuracy": rate["accuracy"],
            **rate["states"],
            "mean_tokens": rate["mean_tokens"],
            "difference": None,
            "low": None,
            "high": None,
            "p_corrected": None,
            "problems": len(groups),
        }
        if found is not None and name in others:
            column = others.index(name)
            held, p = found.intervals[column], found.p_corrected[column]
            row |= {
                "difference": float(found.mean[column]),
                "low": held.low if held else None,
                "high": held.high if held else None,
                "p_corrected": float(p) if np.isfinite(p) else None,
            }
        rows.append(row)
    write_csv(run.path / FORMATS, tuple(rows[0]), [tuple(row.values()) for row in rows])
    return {"base": base, "rows": rows}


def _by_group(reads: list[Read], config: StateTransitionConfig) -> dict[str, float]:
    """Share of the continuations of each problem that backtrack."""
    found: dict[str, list[float]] = {}
    for read in reads:
        found.setdefault(read.group, []).append(float(bool(analysed_onsets(read, config))))
    return {group: float(np.mean(values)) for group, values in found.items()}
