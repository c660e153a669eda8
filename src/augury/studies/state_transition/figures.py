"""The six figures of the first version, and the dose curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from augury.report.figure_data import Bar, Bars, BarSeries, Figure, Line, Lines
from augury.report.figures import save
from augury.report.scales import Axis, open_scale, site_axis, unit_scale
from augury.runs.folder import Run
from augury.runs.progress import track
from augury.studies.state_transition.ablation import IMPORTANCE
from augury.studies.state_transition.facts import Facts, read_table

__all__ = ["FIGURES", "draw"]

FIGURES = (
    ("backtracking_rate_by_variant", "Share of texts that backtrack, by format"),
    ("backtracking_vs_accuracy", "Accuracy of texts with and without backtracking"),
    ("wait_logit_lens_bt_vs_control", "Logit lens at events and at matched controls"),
    ("ablation_importance_by_layer", "Effect of ablating each sub-layer"),
    ("backtracking_rate_by_condition", "Share of texts that backtrack, by condition"),
    ("formatting_effect_on_backtracking", "Difference between formats, problem by problem"),
    ("steering_dose_curve", "Share of texts that backtrack, by dose along the direction"),
)


def draw(run: Run, facts: Facts) -> list[str]:
    """Save every figure; their names."""
    makers = {
        "backtracking_rate_by_variant": _by_variant,
        "backtracking_vs_accuracy": _against_accuracy,
        "wait_logit_lens_bt_vs_control": _lens,
        "ablation_importance_by_layer": _importance,
        "backtracking_rate_by_condition": _by_condition,
        "formatting_effect_on_backtracking": _format_effect,
        "steering_dose_curve": _doses,
    }
    for name, _ in track(FIGURES, what="drawing figures", total=len(FIGURES)):
        save(makers[name](facts), run.figures, name)
    return [name for name, _ in FIGURES]


def _by_variant(facts: Facts) -> Figure:
    rates: Mapping[str, Mapping[str, Any]] = facts.summary["by_variant"]
    names = list(rates)
    return Bars(
        "Backtracking by format",
        "Share of continuations with at least one event; no edits.",
        unit_scale("share of texts that backtrack"),
        _names("format", names),
        (
            _series("strict", [rates[n]["backtracking_rate"] for n in names], rates),
            _series("strict or relaxed", [rates[n]["relaxed_rate"] for n in names], rates),
        ),
    )


def _series(
    name: str, values: Sequence[float], rates: Mapping[str, Mapping[str, Any]]
) -> BarSeries:
    counts = [rate["total"] for rate in rates.values()]
    bars = (Bar(v, f"n={n}") for v, n in zip(values, counts, strict=True))
    return BarSeries(name, tuple(bars))


def _against_accuracy(facts: Facts) -> Figure:
    found = facts.summary["backtracking_vs_accuracy"]
    within = found.get("within")
    told = (
        f"Within problems answered both ways: {within:+.3f} (p {found['p']:.3g})."
        if within is not None
        else f"Within problems: {found.get('why', 'undefined')}."
    )
    return Bars(
        "Backtracking and accuracy",
        "Pooled over problems, so hard problems weigh on the left bar: an association, no effect. "
        + told,
        unit_scale("share of judged answers that are right"),
        _names("texts", ["with backtracking", "without"]),
        (
            BarSeries(
                "accuracy",
                (
                    Bar(found["accuracy_with"], f"n={found['n_with']}"),
                    Bar(found["accuracy_without"], f"n={found['n_without']}"),
                ),
            ),
        ),
    )


def _lens(facts: Facts) -> Figure:
    rows = facts["logit-lens"]["sites"]
    columns = ("mean_target_logit_bt", "mean_target_logit_control")
    values = [row[column] for row in rows for column in columns]
    return Lines(
        "Logit lens: events and matched controls",
        "Log-probability of the target set, the same for both, as it would be if the model stopped "
        "at the site; mean over pairs. The final norm is applied once.",
        open_scale("log-probability of the target set", values, high=0.0),
        site_axis([row["site"] for row in rows]),
        (
            Line("events", tuple(row[columns[0]] for row in rows), role="best"),
            Line("controls", tuple(row[columns[1]] for row in rows), role="baseline"),
        ),
    )


def _importance(facts: Facts) -> Figure:
    rows = read_table(facts.run.path / IMPORTANCE)
    blocks = sorted({int(row["layer"]) for row in rows})
    lines = []
    for kind in ("attn", "mlp"):
        own = {int(row["layer"]): row for row in rows if row["component"] == kind}
        lines.append(
            Line(
                kind,
                tuple(float(own[b]["specific_report"]) for b in blocks),
                band=tuple(
                    (float(own[b]["specific_low"]), float(own[b]["specific_high"]))
                    if own[b]["specific_low"]
                    else None
                    for b in blocks
                ),
            )
        )
    drawn = [v for line in lines for v in line.values]
    ends = [end for line in lines for pair in line.band if pair for end in pair]
    return Lines(
        "What ablating each sub-layer takes from events, beyond controls",
        "Change of the target set's log-probability at events minus that at matched controls; the "
        "half of the problems on which nothing was selected, with 95 % intervals over problems.",
        open_scale("specific effect", [*drawn, *ends, 0.0], high=0.0),
        Axis("block", tuple(float(b) for b in blocks), tuple(map(str, blocks))),
        tuple(lines),
    )


def _by_condition(facts: Facts) -> Figure:
    found = facts["compare-conditions"]
    random = found["random_rates"]
    mean = sum(random) / len(random) if random else None
    spread = f"{min(random):.2f} to {max(random):.2f}" if random else ""
    names = ["unedited", "targeted", f"random (mean of {len(random)})"]
    broken = " The targeted ablation breaks the model." if found["broken"] else ""
    return Bars(
        "Backtracking under ablation",
        f"Without {', '.join(found['sites'])}, and without as many random sub-layers at similar "
        f"depths and norms; the same {found['problems']} problems and draws.{broken}",
        unit_scale("share of texts that backtrack"),
        _names("condition", names),
        (
            BarSeries(
                "rate",
                (Bar(found["clean_rate"]), Bar(found["own_rate"]), Bar(mean, spread)),
            ),
        ),
    )


def _format_effect(facts: Facts) -> Figure:
    found = facts["formatting-sweep"]
    rows = found["rows"]
    return Bars(
        "Backtracking by format, problem by problem",
        f"Written at the bars: mean difference from {found['base']} over {rows[0]['problems']} "
        "problems, with its 95 % interval over problems.",
        unit_scale("share of texts that backtrack"),
        _names("format", [row["variant"] for row in rows]),
        (
            BarSeries(
                "rate",
                tuple(Bar(row["backtracking_rate"], _difference(row)) for row in rows),
            ),
        ),
    )


def _difference(row: Mapping[str, Any]) -> str:
    if row["difference"] is None:
        return ""
    held = f" [{row['low']:+.2f}, {row['high']:+.2f}]" if row["low"] is not None else ""
    return f"{row['difference']:+.3f}{held}"


def _doses(facts: Facts) -> Figure:
    found = facts["steering"]
    curve = [row for row in found["curve"] if row["dose"] is not None]
    doses = [0.0, *(row["dose"] for row in curve)]
    order = sorted(range(len(doses)), key=lambda i: doses[i])
    values = [found["clean_rate"], *(row["backtracking_rate"] for row in curve)]
    erased = next(row["backtracking_rate"] for row in found["curve"] if row["dose"] is None)
    failed = [f"{row['dose']:g}" for row in curve if not row["passes"]]
    told = f" Doses that fail a gate: {', '.join(failed)}." if failed else ""
    return Lines(
        f"Steering at {found['site']}",
        f"Dose in mean norms of the site's states. Verdict: {found['verdict']}.{told}",
        unit_scale("share of texts that backtrack"),
        Axis("dose", tuple(doses[i] for i in order), tuple(f"{doses[i]:g}" for i in order)),
        (
            Line("added", tuple(values[i] for i in order), role="best"),
            Line("erased", tuple(erased for _ in order), role="baseline"),
        ),
    )


def _names(label: str, names: Sequence[str]) -> Axis:
    return Axis(label, tuple(float(i) for i in range(len(names))), tuple(names), numeric=False)
