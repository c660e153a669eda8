"""The conclusion quotes no cell that was chosen on test, and says no more than the verdicts."""

from __future__ import annotations

from dataclasses import replace

from tests.judged import cell

from augury.evaluate.records import CellResult
from augury.evaluate.score import Score
from augury.studies.backtracking_lag.conclusion import conclude_label

EXPLAINED = "predictive, explained by text"


def judged(site: str, horizon: int, *, validation: float, test: float, verdict: str) -> CellResult:
    made = cell(site, horizon, test)
    on_validation = replace(made.validation, average_precision=Score(validation))
    return replace(made, validation=on_validation, verdict=verdict)


def conclude(*cells: CellResult) -> tuple[str, int | None]:
    found = conclude_label(cells, "backtracking", own_text=True)
    return "\n".join((found.headline, *found.lines)), found.ahead


def test_what_is_explained_is_quoted_by_the_cell_that_was_best_on_validation() -> None:
    told, ahead = conclude(
        judged("resid.1", 4, validation=0.10, test=0.90, verdict=EXPLAINED),
        judged("resid.2", 4, validation=0.30, test=0.20, verdict=EXPLAINED),
    )
    assert "resid.2" in told and "0.200" in told and "0.900" not in told
    assert "no evidence" in told and ahead is None


def test_what_is_beyond_baselines_is_quoted_by_the_cell_that_was_best_on_validation() -> None:
    beyond = "predictive beyond baselines"
    told, ahead = conclude(
        judged("resid.1", 4, validation=0.10, test=0.90, verdict=beyond),
        judged("resid.2", 4, validation=0.30, test=0.20, verdict=beyond),
        judged("resid.3", 8, validation=0.25, test=0.15, verdict=beyond),
        judged("resid.4", 16, validation=0.99, test=0.99, verdict="not predictive"),
    )
    assert "resid.2" in told and "0.900" not in told
    assert ahead == 8 and "resid.4" not in told


def test_what_is_readable_only_at_or_behind_the_event_is_not_called_ahead_of_time() -> None:
    told, ahead = conclude(
        judged("resid.1", 0, validation=0.9, test=0.9, verdict="predictive beyond baselines"),
        judged("resid.1", 4, validation=0.1, test=0.1, verdict="not predictive"),
    )
    assert "not predictive ahead of time" in told and ahead is None


def test_a_grid_that_never_looks_ahead_concludes_nothing_about_time() -> None:
    told, ahead = conclude(
        judged("resid.1", 0, validation=0.9, test=0.9, verdict="predictive beyond baselines"),
        judged("resid.1", -4, validation=0.8, test=0.8, verdict="predictive beyond baselines"),
    )
    assert "not ahead of time" in told and "no horizon looked ahead" in told and ahead is None
    told, _ = conclude(judged("resid.1", 0, validation=0.1, test=0.1, verdict="not predictive"))
    assert "not readable" in told and "ahead of time" not in told.splitlines()[0]


def test_a_window_is_not_called_a_distance() -> None:
    within = [
        replace(
            judged("resid.1", h, validation=0.3, test=0.3, verdict="predictive beyond baselines"),
            kind="within",
        )
        for h in (1, 8)
    ]
    told, ahead = conclude(*within)
    assert "within 8 tokens, the longest" in told and "within 1 token)" in told and ahead == 8
    assert "tokens ahead" not in told
