"""Introspection: what was planted in a collection is found where it is, and nothing elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from tests.known_answers.confidence_worlds import ConfidentWorld, confident_model
from tests.known_answers.question_worlds import (
    Truth,
    Where,
    World,
    answers,
    axis,
    standard,
    truth,
)

from augury.errors import CheckFailed
from augury.evaluate.verdict import INSUFFICIENT
from augury.studies.introspection.analysis_config import AnalysisConfig, CausalConfig
from augury.studies.introspection.bench import ConfidenceBench
from augury.studies.introspection.causal import CausalResult, intervene
from augury.studies.introspection.directions import certainties, transfer_grid
from augury.studies.introspection.probing import probe_grid
from augury.studies.introspection.questions import read_questions
from augury.studies.introspection.records import ProbeResult
from augury.studies.introspection.self_other import self_and_other
from augury.studies.introspection.similarity import likenesses
from augury.studies.introspection.verdicts import (
    answer_causal,
    answer_layers,
    answer_self,
    answer_surface,
    answer_transfer,
    chosen_probe,
    chosen_transfer,
)

QUICK = AnalysisConfig(draws=300, permutations=400, shuffles=8, random_directions=99)
MCQ: Where = ("base", "mcq", "resid.1", "final")
SELF: Where = ("base", "self", "resid.1", "final")


def _world(
    of: Truth,
    signals: dict[Where, tuple[tuple[np.ndarray, np.ndarray], ...]],
    *,
    self_: np.ndarray | None = None,
    seed: int = 0,
) -> World:
    stated = of.knows + 0.3 * of.rng.standard_normal(len(of.knows)) if self_ is None else self_
    tables = answers(of, stated, of.easy)
    return World({("base", name): table for name, table in tables.items()}, signals, seed)


@pytest.fixture(scope="module")
def probes() -> list[ProbeResult]:
    """Entropy at one site and token of one pass; everywhere else only the length of the question,
    on which the confidence in others rests."""
    of = truth(400)
    of.easy = standard(of.lengths) + 0.2 * of.rng.standard_normal(400)
    world = _world(of, {MCQ: ((standard(-of.knows), axis(3)),)})
    return probe_grid(read_questions(world), QUICK)


def test_entropy_is_read_at_its_place_and_at_no_other(probes: Sequence[ProbeResult]) -> None:
    entropy = [one for one in probes if one.target == "entropy"]
    readable = [one.place.where for one in entropy if (one.p_corrected or 1) <= 0.05]
    assert readable == [MCQ]
    chosen = chosen_probe(probes, "base", "entropy")
    assert chosen is not None and chosen.place.where == MCQ
    assert answer_layers(chosen, 0.05).answer == "readable"
    assert answer_surface(chosen).answer == "beyond the surface"
    assert chosen.spearman is not None and chosen.interval is not None
    assert chosen.shuffled[2] < chosen.interval[0] < chosen.spearman
    assert len(entropy) == 3 * 2 * 3


def test_what_the_surface_tells_is_readable_and_not_beyond_it(
    probes: Sequence[ProbeResult],
) -> None:
    chosen = chosen_probe(probes, "base", "other_confidence")
    assert chosen is not None
    assert answer_layers(chosen, 0.05).answer == "readable"
    told = answer_surface(chosen)
    assert told.answer == "told by the surface" and "no sure lead over surface" in told.why


def test_correctness_is_explained_by_the_entropy_that_it_comes_from(
    probes: Sequence[ProbeResult],
) -> None:
    own = next(one for one in probes if one.place.where == MCQ and one.target == "correct")
    assert own.auroc is not None and own.auroc > 0.6
    assert own.verdict in ("predictive, explained by own entropy", "not predictive")
    assert set(own.baselines) == {"surface", "words", "own entropy"}


def test_null_states_are_called_readable_no_more_often_than_they_should_be() -> None:
    quick = QUICK.model_copy(update={"draws": 100, "permutations": 200, "shuffles": 1})
    called = 0
    for seed in range(24):
        of = truth(150, seed=seed)
        world = _world(of, {}, seed=seed)
        world.sites, world.positions = ("resid.0", "resid.1"), ("final",)
        found = probe_grid(read_questions(world), quick)
        assert not any(one.verdict == INSUFFICIENT for one in found)
        called += any((one.p_corrected or 1) <= 0.05 for one in found)
    assert called <= 4


def test_a_direction_that_two_passes_share_carries_over_and_others_do_not() -> None:
    of = truth(400)
    signal = standard(of.knows)
    world = _world(
        of,
        {
            MCQ: ((signal, axis(3)),),
            SELF: ((signal, axis(3)),),
            ("base", "other", "resid.1", "final"): ((standard(of.easy), axis(4)),),
        },
    )
    found, agreements = transfer_grid(read_questions(world), QUICK, position="final")
    mcq, self_, other = (("base", name) for name in ("mcq", "self", "other"))
    told = {}
    for pair in ((mcq, self_), (self_, mcq), (self_, other), (other, self_)):
        chosen = chosen_transfer(found, *pair)
        assert chosen is not None
        told[pair] = answer_transfer(chosen, 0.05).answer
    assert told[mcq, self_] == told[self_, mcq] == "carries over"
    assert told[self_, other] == told[other, self_] == "does not carry over"
    own = {
        (one.left[1], one.right[1]): one
        for one in agreements
        if one.site == "resid.1" and one.kind == "mean difference"
    }
    assert own["mcq", "self"].corrected == pytest.approx(1.0, abs=0.35)
    apart = own["other", "self"]
    assert abs(apart.crossed) < 0.3 < own["mcq", "self"].crossed


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("itself", "about itself"),
        ("others", "no more than about others"),
        ("nothing", "does not track"),
    ],
)
def test_self_confidence_is_told_from_what_anybody_would_say(kind: str, answer: str) -> None:
    of = truth(400)
    noise = of.rng.standard_normal(400)
    of.easy = of.knows + 0.8 * of.easy  # what anybody sees of how easy it is
    stated = {"itself": of.knows + 0.5 * noise, "others": of.easy + 0.05 * noise, "nothing": noise}
    found = self_and_other(read_questions(_world(of, {}, self_=stated[kind])), QUICK)
    assert answer_self(found[0], 0.05).answer == answer


def test_states_are_alike_where_they_share_what_varies() -> None:
    of = truth(200)
    shared = [(3 * of.rng.standard_normal(200), axis(number)) for number in range(4, 10)]
    world = _world(of, {MCQ: tuple(shared), SELF: tuple(shared)})
    found = {
        (one.left[1], one.right[1], one.site): one
        for one in likenesses(read_questions(world), QUICK)
        if one.position == "final"
    }
    here, there = found["mcq", "self", "resid.1"], found["mcq", "self", "resid.2"]
    assert here.low > 0.6 > there.high
    assert abs(here.shuffled) < 0.1


def test_questions_of_one_text_count_once() -> None:
    of = truth(200)
    world = _world(of, {})
    groups = [f"g{n // 2:03d}" for n in range(200)]
    world.tables = {
        key: table.with_columns(group=np.array(groups)) for key, table in world.tables.items()
    }
    questions = read_questions(world)
    assert questions.keep.tolist() == list(range(0, 200, 2))


def test_a_pass_whose_answers_are_none_is_left_out() -> None:
    of = truth(200)
    world = _world(of, {})
    low = world.tables["base", "self"].with_columns(option_mass=0.01)
    world.tables = {**world.tables, ("base", "self"): low}
    questions = read_questions(world)
    assert "self_confidence" not in questions.targets("base")
    assert ("base", "self") not in certainties(questions)
    assert self_and_other(questions, QUICK) == []


def test_a_model_that_likes_a_letter_is_not_taken_for_a_sure_one() -> None:
    """Scales rise or fall; it says the last letter, and every state knows which way they go."""
    of = truth(400)
    falls = of.rng.random(400) < 0.5
    likes = np.where(falls, -2.0, 2.0)
    signal = standard(likes)
    wheres: list[Where] = [SELF, ("base", "other", "resid.1", "final")]
    world = _world(of, {where: ((signal, axis(3)),) for where in wheres}, self_=likes)
    world.midpoints = (10.0, 90.0)
    scale = pl.Series("symbols", np.where(falls, "TS", "ST"))
    tables = dict(world.tables)
    for name in ("self", "other"):
        tables["base", name] = tables["base", name].with_columns(scale)
    stated = tables["base", "self"]["self_confidence"] + of.rng.normal(0, 0.5, 400)
    tables["base", "self"] = tables["base", "self"].with_columns(stated.alias("self_confidence"))
    world.tables = tables
    questions = read_questions(world)
    chosen = chosen_probe(probe_grid(questions, QUICK), "base", "self_confidence")
    assert chosen is not None and chosen.place.site == "resid.1"
    assert answer_layers(chosen, 0.05).answer == "readable"
    assert "no sure lead over symbols" in answer_surface(chosen).why
    left = questions.beyond_symbols("base", "self")
    assert abs(np.corrcoef(left, likes)[0, 1]) < 0.1
    found, _ = transfer_grid(questions, QUICK, position="final")
    home = chosen_transfer(found, ("base", "self"), ("base", "self"))
    assert home is not None and home.verdict == "not predictive"


CAUSAL = QUICK.model_copy(
    update={
        "causal": CausalConfig(sites=("resid.1", "resid.2"), doses=(0.1, 0.2), draws=40, most=120)
    }
)


def _intervened(*, uses_the_flag: bool) -> CausalResult:
    loaded = confident_model(uses_the_flag=uses_the_flag)
    questions = read_questions(ConfidentWorld(loaded))
    probes = probe_grid(questions, CAUSAL)
    found = intervene(questions, "base", loaded, probes, CAUSAL)
    assert found is not None
    return found


def test_a_direction_by_which_confidence_is_made_is_causal() -> None:
    found = _intervened(uses_the_flag=True)
    assert [one.verdict for one in found.conclusions] == ["readable and causal"] * 2
    assert answer_causal(found).answer == "readable and causal"
    patched = found.patching.sites[0]
    assert patched.share > 0.8 and abs(patched.control) < 0.2 * patched.patched
    first = found.steering.sites[0]
    effects = [dose.effect for dose in first.curve]
    assert effects == sorted(effects) and effects[-1] > 1
    assert first.added is not None and first.added.random[1] < first.added.effect
    assert first.erased.effect < -5


def test_a_direction_that_nothing_reads_is_readable_and_not_causal() -> None:
    found = _intervened(uses_the_flag=False)
    verdicts = {one.site: one for one in found.conclusions}
    assert verdicts["resid.1"].readable
    assert verdicts["resid.1"].verdict == "readable, not shown causal"
    assert verdicts["resid.2"].verdict == "readable and causal"
    assert found.patching.sites[0].share < 0.1
    assert found.chosen == "resid.2"


def test_a_model_that_does_not_state_what_was_collected_is_refused() -> None:
    one, other = (confident_model(uses_the_flag=uses) for uses in (True, False))
    questions = read_questions(ConfidentWorld(one, count=60))
    with pytest.raises(CheckFailed, match="points from what was collected"):
        ConfidenceBench(questions, "base", other, CAUSAL.causal, seed=0)
