"""The tables of the analyses, one CSV each, from their records alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from augury.report.tables import CellValue, write_csv
from augury.studies.introspection.findings import Findings

__all__ = ["analysis_tables", "write_tables"]

Row = Mapping[str, CellValue]


def write_tables(found: Findings, folder: Path) -> list[str]:
    """Write `NAME.csv` for each table that has rows; their file names."""
    out = []
    for name, rows in analysis_tables(found).items():
        if rows:
            columns = list(dict.fromkeys(key for row in rows for key in row))
            write_csv(folder / f"{name}.csv", columns, [[r.get(c) for c in columns] for r in rows])
            out.append(f"{name}.csv")
    return out


def analysis_tables(found: Findings) -> dict[str, Sequence[Row]]:
    """Rows of every table, by name."""
    return {
        "probes": list(_probes(found)),
        "transfers": list(_transfers(found)),
        "cosines": list(_cosines(found)),
        "cka": list(_likenesses(found)),
        "partial_correlations": list(_partial(found)),
        "calibration": list(_calibration(found)),
        "steering": list(_steering(found)),
        "doses": list(_doses(found)),
        "patching": list(_patching(found)),
    }


def _ends(name: str, pair: Sequence[float] | None) -> Row:
    low, high = pair if pair is not None else (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def _probes(found: Findings) -> Iterator[Row]:
    for one in found.probes:
        place = one.place
        row: dict[str, CellValue] = {
            "model": place.model,
            "pass": place.pass_,
            "position": place.position,
            "site": place.site,
            "target": one.target,
            "spearman": one.spearman,
            **_ends("spearman", one.interval),
            "validation": one.validation,
            "r2": one.r2,
            "auroc": one.auroc,
            "average_precision": one.average_precision,
            "p": one.p,
            "p_corrected": one.p_corrected,
            **_ends("shuffled", (one.shuffled[0], one.shuffled[2])),
            "shuffled_mean": one.shuffled[1],
            "strength": one.strength,
            "verdict": one.verdict,
        }
        for name, lead in one.baselines.items():
            row[name] = lead.spearman
            row[f"lead over {name}"] = lead.difference
            row[f"sure lead over {name}"] = lead.sure
        yield row


def _transfers(found: Findings) -> Iterator[Row]:
    for one in found.transfers:
        yield {
            "source_model": one.source[0],
            "source_pass": one.source[1],
            "target_model": one.target[0],
            "target_pass": one.target[1],
            "site": one.site,
            "kind": one.kind,
            "spearman": one.spearman,
            **_ends("spearman", one.interval),
            "validation": one.validation,
            "random_95": one.random_high,
            "p_random": one.p_random,
            "p_corrected": one.p_corrected,
            "verdict": one.verdict,
        }


def _cosines(found: Findings) -> Iterator[Row]:
    for one in found.agreements:
        yield {
            "left_model": one.left[0],
            "left_pass": one.left[1],
            "right_model": one.right[0],
            "right_pass": one.right[1],
            "site": one.site,
            "kind": one.kind,
            "cosine": one.cosine,
            "cosine_of_halves": one.crossed,
            "ceiling": one.ceiling,
            "corrected": one.corrected,
        }


def _likenesses(found: Findings) -> Iterator[Row]:
    for one in found.likenesses:
        yield {
            "left_model": one.left[0],
            "left_pass": one.left[1],
            "right_model": one.right[0],
            "right_pass": one.right[1],
            "position": one.position,
            "site": one.site,
            "cka": one.cka,
            **_ends("cka", (one.low, one.high)),
            "shuffled": one.shuffled,
            "questions": one.rows,
        }


def _partial(found: Findings) -> Iterator[Row]:
    for model in found.self_other:
        for name in (
            "self_alone",
            "other_alone",
            "beyond_other",
            "beyond_surface",
            "other_beyond_self",
        ):
            one = getattr(model, name)
            ends = None if one.interval is None else (one.interval.low, one.interval.high)
            yield {
                "model": model.model,
                "correlation": name,
                "value": one.value,
                **_ends("value", ends),
                "p": one.p,
                "questions": one.rows,
            }


def _calibration(found: Findings) -> Iterator[Row]:
    for model, measured in found.calibration.models.items():
        for name, value in measured.values.items():
            held = measured.intervals[name]
            yield {
                "model": model,
                "measure": name,
                "value": value,
                **_ends("value", None if held is None else (held.low, held.high)),
                "if_perfect": measured.perfect_error if name == "calibration error" else None,
            }
    for name, one in found.calibration.differences.items():
        held = one.interval
        yield {
            "model": "adapter less base",
            "measure": name,
            "value": one.value,
            **_ends("value", None if held is None else (held.low, held.high)),
            "p": one.p,
            "p_corrected": one.p_corrected,
        }


def _steering(found: Findings) -> Iterator[Row]:
    for result in found.causal:
        verdicts = {one.site: one for one in result.conclusions}
        for one in result.steering.sites:
            for edit, effect in (("add", one.added), ("erase", one.erased)):
                if effect is None:
                    continue
                yield {
                    "model": result.model,
                    "site": one.site,
                    "edit": edit,
                    "dose": one.dose if edit == "add" else None,
                    "effect": effect.effect,
                    **_ends("effect", effect.interval),
                    "p_zero": effect.p_zero,
                    "p_random": effect.p_random,
                    "p_orthogonal": effect.p_orthogonal,
                    **_ends("random", effect.random),
                    **_ends("orthogonal", effect.orthogonal),
                    "gates": "; ".join(one.erased_gates) if edit == "erase" else None,
                    "verdict": verdicts[one.site].verdict,
                }


def _doses(found: Findings) -> Iterator[Row]:
    for result in found.causal:
        for site in result.steering.sites:
            for dose in site.curve:
                yield {
                    "model": result.model,
                    "site": site.site,
                    "dose": dose.dose,
                    "effect": dose.effect,
                    "gates": "; ".join(dose.gates),
                    "passes": dose.passed,
                }


def _patching(found: Findings) -> Iterator[Row]:
    for result in found.causal:
        for one in result.patching.sites:
            yield {
                "model": result.model,
                "site": one.site,
                "patched": one.patched,
                "control": one.control,
                "effect": one.effect,
                **_ends("effect", one.interval),
                "share_of_gap": one.share,
                "p_zero": one.p_zero,
                "p_random": one.p_random,
                **_ends("random", one.random),
                "gate": one.gate,
            }
