"""What the sweep says, in words that it supports."""

from __future__ import annotations

from collections.abc import Sequence

from augury.evaluate.decisions import Agreement, Decisions
from augury.evaluate.intervals import Interval
from augury.evaluate.records import CellResult
from augury.evaluate.verdict import BEYOND_BASELINES, INSUFFICIENT
from augury.report.tables import CellValue
from augury.studies.next_token.sites import BIGRAM, PROBE, SiteResult
from augury.studies.next_token.train import CEILING

__all__ = ["COLUMNS", "best_site", "sweep_rows", "told", "verdict_lines", "why_trivial"]

COLUMNS = ("site", "balanced accuracy", "bigram", "ceiling", "agreement", "AP", "p", "verdict")
"""Scores with their 95 % interval in brackets. Bigram and ceiling are the same at every site; their
intervals stand beside their confusion counts."""


def told(made: Decisions | None) -> str | None:
    """Balanced accuracy with its interval; None where nothing was decided."""
    return None if made is None else f"{made.balanced_accuracy}{_brackets(made.interval)}"


def sweep_rows(
    results: Sequence[CellResult], sites: Sequence[SiteResult], horizon: int
) -> list[tuple[CellValue, ...]]:
    """The table of one horizon, a row per site, in `COLUMNS`."""
    return [
        (
            cell.site,
            told(site.decisions.get(PROBE)),
            _value(site.decisions.get(BIGRAM)),
            _value(site.decisions.get(CEILING)),
            _kappa(site.agreements.get(PROBE)),
            f"{cell.average_precision}{_brackets(cell.interval)}",
            cell.p_corrected,
            cell.verdict,
        )
        for cell, site in zip(results, sites, strict=True)
        if cell.horizon == horizon
    ]


def best_site(
    results: Sequence[CellResult], sites: Sequence[SiteResult], horizon: int
) -> tuple[CellResult, SiteResult]:
    """The best site of this horizon on validation: what is quoted is not chosen on test."""
    pairs = [pair for pair in zip(results, sites, strict=True) if pair[0].horizon == horizon]
    return max(pairs, key=lambda pair: pair[0].validation.average_precision.value or 0.0)


def verdict_lines(
    results: Sequence[CellResult], sites: Sequence[SiteResult], horizon: int
) -> list[str]:
    """Headline, where it is known best, and what it has to be compared with."""
    cell, site = best_site(results, sites, horizon)
    asked = {0: "the current token", 1: "the next token"}.get(horizon, f"the token {horizon:+d}")
    lines = [
        f"{asked} {cell.label}: {cell.verdict}",
        f"where   {cell.site} (best on validation): balanced accuracy "
        f"{told(site.decisions.get(PROBE))}; average precision {cell.average_precision}"
        f"{_brackets(cell.interval)}, prevalence {cell.test.prevalence or 0:.4f}, "
        f"{cell.test.positive_groups} groups",
        f"beside  bigram {told(site.decisions.get(BIGRAM))}"
        + (
            f", the model itself {told(site.decisions[CEILING])}"
            if CEILING in site.decisions
            else ""
        ),
    ]
    if PROBE in site.agreements:
        lines.append(
            f"agrees  with the model's own decisions: kappa {site.agreements[PROBE].kappa}"
            f"{_brackets(site.agreements[PROBE].interval)}; the bigram "
            f"{site.agreements[BIGRAM].kappa if BIGRAM in site.agreements else 'was left out'}"
        )
    if cell.verdict == INSUFFICIENT:
        lines.append(f"because {cell.why}")
    return lines


def why_trivial(results: Sequence[CellResult], sites: Sequence[SiteResult]) -> str | None:
    """Why a probe of the current token says nothing about what the model knows; None without it."""
    current = [(cell, site) for cell, site in zip(results, sites, strict=True) if not cell.horizon]
    if not current:
        return None
    cell, site = current[0]
    ending = (
        "That it beats the token itself means that something is wrong."
        if cell.verdict == BEYOND_BASELINES
        else "It is a check of the pipeline, not a finding."
    )
    return (
        "The current token stands in the state by construction: embed is its embedding, and "
        f"every block adds to it, so a probe at {cell.site} reaches a balanced accuracy of "
        f"{told(site.decisions.get(PROBE))}. The token itself, a baseline here, reaches "
        f"{told(site.decisions.get(BIGRAM))}. {ending}"
    )


def _value(made: Decisions | None) -> str | None:
    return None if made is None else str(made.balanced_accuracy)


def _kappa(found: Agreement | None) -> str | None:
    return None if found is None else f"{found.kappa}{_brackets(found.interval)}"


def _brackets(found: Interval | None) -> str:
    return f" [{found.low:.3f}, {found.high:.3f}]" if found else " (no interval)"
