from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from augury.errors import DataError
from augury.evaluate.records import CellResult
from augury.evaluate.score import Score
from augury.report.figure_data import Bars, Heatmap, Lines, Panels
from augury.report.grid_figures import best_site, grid_figures
from augury.report.scales import SIGN_CONVENTION

NAMES = {
    "heatmap_f1",
    "heatmap_accuracy",
    "heatmap_average_precision",
    "heatmap_auroc",
    "lineplot_f1",
    "lineplot_average_precision",
    "lineplot_auroc",
    "comparison_metrics",
    "class_balance",
}

METRICS: dict[str, Callable[[CellResult], Score]] = {
    "heatmap_f1": lambda cell: cell.f1,
    "heatmap_accuracy": lambda cell: cell.balanced_accuracy,
    "heatmap_average_precision": lambda cell: cell.average_precision,
    "heatmap_auroc": lambda cell: cell.auroc,
}


def test_all_figures_have_their_names_and_the_sign_convention(results: list[CellResult]) -> None:
    figures = grid_figures(results)
    assert set(figures) == NAMES
    assert all(SIGN_CONVENTION in figure.caption for figure in figures.values())


@pytest.mark.parametrize("name", sorted(METRICS))
def test_every_cell_of_a_heatmap_is_the_result_at_its_coordinates(
    results: list[CellResult], name: str
) -> None:
    # The order of results must not matter for where a value lands.
    figure = grid_figures(list(reversed(results)))[name]
    assert isinstance(figure, Heatmap)
    by_place = {(cell.site, cell.horizon): cell for cell in results}
    for y, site in enumerate(figure.y.names):
        for x, horizon in enumerate(figure.x.ticks):
            cell = by_place[site, int(horizon)]
            drawn = figure.cells[y][x]
            assert drawn.value == METRICS[name](cell).value
            assert drawn.outlined == (cell.verdict == "predictive beyond baselines")


def test_undefined_cells_tell_why(results: list[CellResult]) -> None:
    figure = grid_figures(results)["heatmap_auroc"]
    assert isinstance(figure, Heatmap)
    cell = figure.cells[0][-1]
    assert cell.value is None and cell.note.startswith("no positive row; not predictive")


def test_a_cell_that_was_not_judged_is_undefined(results: list[CellResult]) -> None:
    figure = grid_figures(results[1:])["heatmap_f1"]
    assert isinstance(figure, Heatmap)
    missing = [c for row in figure.cells for c in row if c.note == "not judged"]
    assert len(missing) == 1 and missing[0].value is None


def test_the_best_site_is_chosen_on_validation_and_never_on_test(results: list[CellResult]) -> None:
    def with_validation(cell: CellResult) -> CellResult:
        value = 0.9 if cell.site == "resid.0" else 0.1
        return replace(cell, validation=replace(cell.validation, average_precision=Score(value)))

    assert best_site(results) == "resid.4"
    assert best_site([with_validation(cell) for cell in results]) == "resid.0"


def test_lines_carry_the_band_of_the_best_the_baselines_and_the_floor(
    results: list[CellResult],
) -> None:
    figure = grid_figures(results)["lineplot_average_precision"]
    assert isinstance(figure, Lines)
    roles = {line.name: line.role for line in figure.lines}
    assert roles["resid.4"] == "best" and roles["resid.3"] == "site"
    assert [n for n, role in roles.items() if role == "baseline"] == [
        "position",
        "last_three_tokens",
        "own_probability",
    ]
    assert [line.name for line in figure.lines if line.band] == ["resid.4"]
    floor = next(line for line in figure.lines if line.role == "floor")
    assert floor.name == "prevalence" and floor.values == (120 / 20_000,) * 7


def test_the_f1_floor_is_that_of_calling_everything_positive(results: list[CellResult]) -> None:
    figure = grid_figures(results)["lineplot_f1"]
    assert isinstance(figure, Lines)
    floor = next(line for line in figure.lines if line.role == "floor")
    positives, rows = 120, 20_000
    precision, recall = positives / rows, 1.0
    assert floor.values[0] == pytest.approx(2 * precision * recall / (precision + recall))


def test_four_metrics_stand_side_by_side(results: list[CellResult]) -> None:
    figure = grid_figures(results)["comparison_metrics"]
    assert isinstance(figure, Panels)
    names = [panel.scale.name for panel in figure.panels]
    assert names == ["F1", "balanced accuracy", "AUROC", "average precision"]


def test_class_balance_writes_the_counts_of_each_split(results: list[CellResult]) -> None:
    figure = grid_figures(results)["class_balance"]
    assert isinstance(figure, Bars)
    assert [series.name for series in figure.series] == ["train", "validation", "test"]
    train = figure.series[0].bars[2]
    assert train.note == "700 / 60,000" and train.value == pytest.approx(700 / 60_000)


def test_mixed_targets_doubled_cells_and_nothing_are_refused(results: list[CellResult]) -> None:
    for bad in ([], [*results, results[0]], [*results[1:], replace(results[0], label="deduction")]):
        with pytest.raises(DataError, match="one target, and one cell per site and horizon"):
            grid_figures(bad)
