from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from augury.config import Config
from augury.evaluate.standing import Standing
from augury.sweeps.configs import Member, PlannedRun
from augury.sweeps.deltas import delta_rows
from augury.sweeps.entries import Entry, entries_of
from augury.sweeps.leaderboard import leaderboard_rows
from augury.sweeps.shortlist import shortlist
from augury.sweeps.stability import stability_rows

BASE = Standing(
    question={"target": "anchor", "percentile": 90},
    model="m",
    setting="s",
    target="anchor p90",
    metric="average precision",
    sees="states",
    predictor="resid.1",
    site="resid.1",
    validation={},
    test={},
    baseline="position",
    baseline_test={},
    verdict="not predictive",
)


def by_group(*values: float) -> dict[str, float]:
    return {f"g{n}": value for n, value in enumerate(values)}


def standing(validated: float, tested: float, **changes: Any) -> Standing:
    values = {"validation": by_group(validated), "test": by_group(*[tested] * 12)}
    return replace(BASE, **{**values, **changes})


def member(name: str, sites: tuple[str, ...] = ("resid.1", "resid.2"), **setting: str) -> Member:
    return Member(name, setting, frozenset(sites), PlannedRun(name, Config(), {"judge": name}))


def entries(*pairs: tuple[Member, list[Standing]], replicates: tuple[str, ...] = ()) -> list[Entry]:
    return entries_of(
        [one for one, _ in pairs],
        {one.run.id: each for one, each in pairs},
        replicates=replicates,
        tripped={},
    )


def test_the_order_is_that_of_validation_whatever_test_says() -> None:
    rows = leaderboard_rows(
        entries(
            (member("a", axis="1"), [standing(0.3, 0.9)]),
            (member("b", axis="2"), [standing(0.4, 0.1)]),
        )
    )
    assert [(row["rank"], row["config"]) for row in rows] == [(1, "b"), (2, "a")]
    assert [row["test"] for row in rows] == pytest.approx([0.1, 0.9])


def test_a_config_stands_there_with_the_predictor_that_validation_chose() -> None:
    (entry,) = entries(
        (
            member("a"),
            [
                standing(0.2, 0.9, predictor="resid.1"),
                standing(0.3, 0.1, predictor="resid.2", site="resid.2"),
            ],
        )
    )
    assert entry.standing.predictor == "resid.2"


def test_a_config_is_not_given_the_sites_of_another_in_its_run() -> None:
    both = [
        standing(0.2, 0.5, predictor="resid.1"),
        standing(0.9, 0.5, predictor="resid.2", site="resid.2"),
    ]
    run = PlannedRun("r", Config(), {"judge": "r"})
    shallow = Member("a", {"layer": "1"}, frozenset({"resid.1"}), run)
    deep = Member("b", {"layer": "2"}, frozenset({"resid.2"}), run)
    found = entries_of([shallow, deep], {"r": both}, replicates=(), tripped={"r": ()})
    assert [entry.standing.predictor for entry in found] == ["resid.1", "resid.2"]


def test_other_questions_and_predictors_without_states_have_leagues_of_their_own() -> None:
    other = {"target": "anchor", "percentile": 85}
    rows = leaderboard_rows(
        entries(
            (
                member("a", percentile="90"),
                [standing(0.1, 0.1), standing(0.9, 0.9, sees="no states", site=None)],
            ),
            (member("b", percentile="85"), [standing(0.8, 0.8, question=other)]),
            (member("c", percentile="90", layer="2"), [standing(0.2, 0.2)]),
            (member("d", percentile="90", layer="3"), [standing(0.7, 0.7, metric="Spearman")]),
        )
    )
    assert [row["rank"] for row in rows] == [1, 2, 1, 1, 1]
    assert [row["config"] for row in rows] == ["c", "a", "a", "b", "d"]
    assert [row["sees"] for row in rows] == ["states", "states", "no states", "states", "states"]


def test_replicates_are_averaged_by_group_and_never_ranked() -> None:
    first, second = by_group(*[0.2] * 12), {**by_group(*[0.6] * 12), "g12": 0.9}
    (entry,) = entries(
        (member("a", seed="0"), [standing(0.1, 0, test=first)]),
        (member("b", seed="1"), [standing(0.3, 0, test=second)]),
        replicates=("seed",),
    )
    assert entry.setting == {} and entry.validation == pytest.approx(0.2)
    assert entry.standing.test["g0"] == pytest.approx(0.4)
    assert entry.standing.test["g12"] == 0.9
    (row,) = stability_rows([entry])
    # two replicates, whose means are 0.2 and (12 * 0.6 + 0.9) / 13
    mean = (12 * 0.6 + 0.9) / 13
    assert row["replicate_sd"] == pytest.approx(abs(mean - 0.2) / 2**0.5)
    assert row["replicates"] == 2


def test_replicates_are_told_by_one_predictor() -> None:
    def of(one: float, two: float) -> list[Standing]:
        return [
            standing(one, 0.1, predictor="resid.1"),
            standing(two, 0.2, predictor="resid.2", site="resid.2"),
        ]

    (entry,) = entries(
        (member("a", seed="0"), of(0.5, 0.4)),
        (member("b", seed="1"), of(0.1, 0.4)),
        replicates=("seed",),
    )
    # the best of one replicate is not the best of both
    assert entry.standing.predictor == "resid.2"


def test_a_difference_is_that_of_the_same_groups() -> None:
    left = {f"g{n}": 0.1 * n for n in range(12)}
    right = {name: value + 0.05 for name, value in left.items() if name != "g0"} | {"other": 9.0}
    rows = delta_rows(
        entries(
            (member("a", kind="point", layer="1"), [standing(0.1, 0, test=left)]),
            (member("b", kind="within", layer="1"), [standing(0.1, 0, test=right)]),
        )
    )
    (row,) = rows
    assert (row["axis"], row["value"], row["against"]) == ("kind", "within", "point")
    assert row["groups"] == 11 and row["delta"] == pytest.approx(0.05)
    # paired: the spread between groups is no part of it
    assert row["low"] == pytest.approx(0.05) and row["high"] == pytest.approx(0.05)


def test_values_that_ask_another_question_are_not_compared() -> None:
    other = {"target": "anchor", "percentile": 85}
    rows = delta_rows(
        entries(
            (member("a", percentile="90", layer="1"), [standing(0.1, 0.1)]),
            (member("b", percentile="85", layer="1"), [standing(0.1, 0.9, question=other)]),
            (member("c", percentile="90", layer="2"), [standing(0.1, 0.4)]),
        )
    )
    assert [(row["axis"], row["value"], row["pairs"]) for row in rows] == [("layer", "2", 1)]


def test_no_interval_under_ten_groups() -> None:
    few = {"test": by_group(*[0.2, 0.4, 0.6] * 3), "baseline_test": by_group(*[0.1] * 9)}
    many = {"test": by_group(*[0.2, 0.4, 0.6] * 4), "baseline_test": by_group(*[0.1] * 12)}
    for changes, has in ((few, False), (many, True)):
        (row,) = leaderboard_rows(entries((member("a"), [standing(0.1, 0, **changes)])))
        assert (row["test_low"] is not None) == has and (row["lead_high"] is not None) == has
        assert row["lead"] == pytest.approx(0.3)


def test_the_shortlist_is_chosen_on_validation_in_each_league_without_touched_wires() -> None:
    other = {"target": "size"}
    found = entries(
        (member("a", x="1"), [standing(0.5, 0.0)]),
        (member("b", x="2"), [standing(0.4, 0.9)]),
        (member("c", x="3"), [standing(0.3, 1.0)]),
        (member("d", x="4"), [standing(0.1, 0.1, question=other)]),
        (member("e", x="5"), [standing(0.9, 0.9, sees="no states", site=None)]),
    )
    assert shortlist(found, 1) == {"a", "d"}
    assert shortlist(found, 2) == {"a", "b", "d"}
    tripped = [replace(e, tripped=("shuffled",)) if e.members[0].id == "a" else e for e in found]
    assert shortlist(tripped, 1) == {"b", "d"}
    assert shortlist([found[-1]], 1) == {"e"}, "where nothing sees states, they are what there is"


def test_a_clear_winner_is_first_in_every_draw_and_equals_share() -> None:
    clear = {"validation": by_group(*[0.9] * 12)}
    same = {"validation": by_group(*[0.1, 0.2] * 6)}
    rows = stability_rows(
        entries(
            (member("a", x="1"), [standing(0, 0.1, **clear)]),
            (member("b", x="2"), [standing(0, 0.1, **same)]),
        )
    )
    assert [row["first"] for row in rows] == [1.0, 0.0]
    twins = stability_rows(
        entries(
            (member("a", x="1"), [standing(0, 0.1, **same)]),
            (member("b", x="2"), [standing(0, 0.2, **same)]),
        )
    )
    assert [row["first"] for row in twins] == [0.5, 0.5]


def test_an_axis_that_a_question_does_not_depend_on_makes_no_second_entry() -> None:
    text = {"sees": "no states", "predictor": "text", "site": None}
    left = {"question": {"target": "residual"}, "target": "residual"}
    found = entries(
        (
            member("a", pooling="mean", residual="none"),
            [standing(0.4, 0.5), standing(0.2, 0.3, **text)],
        ),
        (
            member("b", pooling="mean", residual="position"),
            [standing(0.4, 0.5), standing(0.2, 0.3, **text), standing(0.1, 0.1, **left)],
        ),
        (
            member("c", pooling="last", residual="none"),
            [standing(0.3, 0.6), standing(0.2, 0.3, **text)],
        ),
    )
    told = [(e.standing.target, e.standing.sees, e.setting, e.members[0].id) for e in found]
    assert told == [
        ("anchor p90", "states", {"pooling": "mean"}, "a"),
        ("anchor p90", "no states", {}, "a"),
        ("residual", "states", {"pooling": "mean", "residual": "position"}, "b"),
        ("anchor p90", "states", {"pooling": "last", "residual": "none"}, "c"),
    ]
    assert not [row for row in delta_rows(found) if row["axis"] == "residual"]
