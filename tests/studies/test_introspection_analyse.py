"""Stage `analyse`: every question has its answer, from kept parts, and the page shows them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.known_answers.question_worlds import World, answers, axis, standard, truth

from augury.errors import DataError
from augury.report.page import page
from augury.studies.introspection.analyse import ANALYSIS, analyse, analysed
from augury.studies.introspection.analysis_config import AnalysisConfig
from augury.studies.introspection.analysis_report import answers_of
from augury.studies.introspection.findings import find, read_findings
from augury.studies.introspection.questions import read_questions
from augury.studies.introspection.verdicts import ANSWERS, Answer, answer_fine_tuning

QUICK = AnalysisConfig(draws=200, permutations=200, shuffles=4, random_directions=49)


def _world() -> World:
    """An adapter that states what it knows, above a base that states little of it."""
    of = truth(300)
    tables, signals = {}, {}
    for model, noise in (("base", 3.0), ("adapter", 0.2)):
        stated = of.knows + noise * of.rng.standard_normal(300)
        made = answers(replace(of, rng=np.random.default_rng(1)), stated, of.easy)
        for pass_ in ("mcq", "self"):
            tables[model, pass_] = made[pass_]
            signals[model, pass_, "resid.1", "final"] = ((standard(of.knows), axis(3)),)
    return World(tables, signals, sites=("resid.0", "resid.1"), positions=("final",))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Answer]]:
    folder = tmp_path_factory.mktemp("run")
    return folder, analyse(_world(), QUICK, folder, identity="one")


def test_every_answer_is_from_its_closed_list_and_the_adapter_is_the_better_one(
    done: tuple[Path, list[Answer]],
) -> None:
    folder, found = done
    assert {one.question for one in found} == {"layers", "surface", "transfer", "fine-tuning"}
    for one in found:
        assert one.answer in ANSWERS[one.question] and one.why
    told = {(one.question, one.about): one.answer for one in found}
    assert told["fine-tuning", "adapter"] == "better calibrated"
    assert told["layers", "adapter, self_confidence"] == "readable"
    assert told["transfer", "adapter/mcq to adapter/self"] == "carries over"
    stored = json.loads((folder / ANALYSIS / "answers.json").read_bytes())
    assert [one["answer"] for one in stored] == [one.answer for one in found]


def test_tables_and_figures_hold_what_was_found(done: tuple[Path, list[Answer]]) -> None:
    folder, _ = done
    found = read_findings(folder / ANALYSIS)
    table = pl.read_csv(folder / ANALYSIS / "probes.csv")
    assert len(table) == len(found.probes) == 2 * 2 * 2 * 4
    assert table["spearman"].to_list() == [one.spearman for one in found.probes]
    drawn = pl.read_csv(folder / "figures" / "layers_adapter_entropy.csv")
    own = [
        one.spearman
        for one in found.probes
        if (one.place.model, one.place.pass_, one.target) == ("adapter", "mcq", "entropy")
    ]
    first = drawn.filter((pl.col("series") == "final") & pl.col("panel").str.ends_with("mcq"))
    assert first["value"].to_list() == pytest.approx(own)
    assert set(drawn["series"]) == {"final", "surface", "words", "shuffled values"}
    for name in ("transfer_matrix", "cka_final", "reliability"):
        assert (folder / "figures" / f"{name}.png").stat().st_size > 5000


def test_what_was_found_is_kept_until_something_changes(done: tuple[Path, list[Answer]]) -> None:
    folder, found = done
    results = folder / ANALYSIS
    before = {path.name: path.stat().st_mtime_ns for path in results.glob("*.json")}
    (results / "likeness.json").unlink()  # as if the call had been interrupted here
    questions = read_questions(_world())
    again = find(questions, QUICK, results, identity="one")
    assert answers_of(again, questions.collected.models, QUICK.alpha) == found
    after = {path.name: path.stat().st_mtime_ns for path in results.glob("*.json")}
    made = {name for name in before if after[name] != before[name]}
    assert made == {"likeness.json"}
    find(questions, QUICK, results, identity="another")
    last = {path.name: path.stat().st_mtime_ns for path in results.glob("*.json")}
    parts = set(after) - {"answers.json"}
    assert all(last[name] != after[name] for name in parts) and len(parts) == 6


def test_the_page_answers_before_it_explains(done: tuple[Path, list[Answer]]) -> None:
    folder, _ = done
    lines, sections = analysed(_world(), QUICK, folder)
    rendered = page("Found", sections, folder=folder, verdict=lines).html
    assert "adapter: better calibrated" in rendered
    assert "Nothing was patched or steered" in rendered
    found = read_findings(folder / ANALYSIS)
    error = found.calibration.differences["calibration error"].value
    assert error is not None and f"{abs(error):.3f}" in rendered


def test_too_small_a_difference_is_no_improvement(done: tuple[Path, list[Answer]]) -> None:
    folder, _ = done
    found = read_findings(folder / ANALYSIS).calibration
    own = found.differences["calibration error"]
    unsure = replace(
        found, differences={**found.differences, "calibration error": replace(own, p=0.2)}
    )
    answer = answer_fine_tuning(unsure, 0.05)
    assert answer.answer == "no sure difference"
    worse = replace(
        own,
        value=-(own.value or 0),
        interval=own.interval and replace(own.interval, low=0.05, high=0.2),
    )
    nothing = answer_fine_tuning(replace(found, models={}, differences={}), 0.05)
    assert nothing.answer == "insufficient data" and "base and adapter" in nothing.why
    turned = replace(found, differences={**found.differences, "calibration error": worse})
    answer = answer_fine_tuning(turned, 0.05)
    assert answer.answer == "worse calibrated"


def test_models_that_were_asked_other_questions_are_refused() -> None:
    world = _world()
    table = world.tables["adapter", "self"]
    world.tables = {**world.tables, ("adapter", "self"): table.reverse()}
    with pytest.raises(DataError, match="other questions, or another order"):
        read_questions(world)
