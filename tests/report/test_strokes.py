from __future__ import annotations

from augury.report.figure_data import Line, Lines
from augury.report.scales import horizon_axis, unit_scale
from augury.report.strokes import panel_grid, strokes


def figure(sites: int, baselines: int, best: int = 1) -> Lines:
    values = (0.1, 0.2)
    lines = [Line(f"resid.{i}", values, role="best" if i == best else "site") for i in range(sites)]
    lines += [Line(f"base {i}", values, role="baseline") for i in range(baselines)]
    lines.append(Line("prevalence", values, role="floor"))
    return Lines("t", "c", unit_scale("f1"), horizon_axis([0, 4]), tuple(lines))


def test_every_line_is_drawn_once_in_its_order() -> None:
    data = figure(5, 3)
    assert [stroke.line for stroke in strokes(data)] == list(data.lines)


def test_only_what_saw_no_activations_is_dashed() -> None:
    for stroke in strokes(figure(5, 3)):
        assert bool(stroke.dash) == (stroke.line.role in ("baseline", "floor"))


def test_baselines_differ_without_colour() -> None:
    looks = [(s.dash, s.marker) for s in strokes(figure(2, 5)) if s.line.role == "baseline"]
    assert len(set(looks)) == 5


def test_the_best_line_is_the_heaviest_and_lies_on_top() -> None:
    drawn = strokes(figure(6, 3))
    best = next(stroke for stroke in drawn if stroke.line.role == "best")
    others = [stroke for stroke in drawn if stroke is not best]
    assert best.width > max(s.width for s in others) and best.layer > max(s.layer for s in others)


def test_a_deep_model_does_not_flood_the_legend() -> None:
    named = [s.line.name for s in strokes(figure(33, 2, best=20)) if s.in_legend]
    assert named == [
        "resid.0",
        "resid.16",
        "resid.20",
        "resid.32",
        "base 0",
        "base 1",
        "prevalence",
    ]
    assert all(stroke.in_legend for stroke in strokes(figure(12, 2)))


def test_panels_fill_a_grid() -> None:
    assert [panel_grid(n) for n in (1, 2, 3, 4, 5, 7)] == [
        (1, 1),
        (1, 2),
        (1, 3),
        (2, 2),
        (2, 3),
        (3, 3),
    ]
