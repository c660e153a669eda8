"""A site is causal where every way of intervening says so, and nothing less."""

from __future__ import annotations

from dataclasses import replace

from augury.studies.introspection.causal import conclude_site
from augury.studies.introspection.patching import PatchedSite
from augury.studies.introspection.steering import Dose, Effect, SteeredSite

SURE = Effect(4.0, (3.0, 5.0), 0.001, 0.02, 0.02, (-1.0, 1.0), (-1.0, 1.0))
PATCHED = PatchedSite(
    "resid.2", 9.0, 1.0, 8.0, (6.0, 10.0), 0.5, 0.001, 0.02, (-1.0, 1.0), "mass", True
)
STEERED = SteeredSite(
    site="resid.2",
    curve=(Dose(0.1, 4.0, ("mass 0",), True),),
    dose=0.1,
    validation=4.0,
    added=SURE,
    erased=replace(SURE, effect=-4.0),
    erased_gates=("mass 0",),
    erased_passed=True,
)
UNSURE = {"p_zero": 0.2}, {"p_random": 0.2}


def _verdict(
    steered: SteeredSite = STEERED,
    patched: PatchedSite | str = PATCHED,
    *,
    readable: bool = True,
) -> str:
    return conclude_site(steered, patched, readable=readable, alpha=0.05).verdict


def test_all_three_arms_that_move_make_a_cause() -> None:
    assert _verdict() == "readable and causal"
    assert _verdict(readable=False) == "inconclusive"


def test_no_arm_can_be_spared() -> None:
    for change in (*UNSURE, {"effect": -8.0}):
        assert _verdict(patched=replace(PATCHED, **change)) == "readable, not shown causal"
    for change in (*UNSURE, {"p_orthogonal": 0.2}):
        added = replace(STEERED, added=replace(SURE, **change))
        erased = replace(STEERED, erased=replace(STEERED.erased, **change))
        assert _verdict(added) == _verdict(erased) == "readable, not shown causal"
    assert _verdict(replace(STEERED, erased=SURE)) == "readable, not shown causal"
    assert _verdict(replace(STEERED, added=STEERED.erased)) == "readable, not shown causal"


def test_what_breaks_the_model_is_no_cause() -> None:
    failed = (Dose(0.1, 4.0, ("mass 0.4 FAILED",), False),)
    assert _verdict(replace(STEERED, added=None, curve=failed)) == "breaks the model"
    broken = replace(STEERED, erased_passed=False, erased_gates=("mass 0.4 FAILED",))
    assert _verdict(broken) == "breaks the model"
    assert _verdict(patched=replace(PATCHED, passed=False)) == "breaks the model"


def test_too_few_questions_leave_it_open() -> None:
    assert _verdict(patched="3 pairs of questions, at least 10 needed") == "inconclusive"
    few = replace(SURE, p_zero=None, interval=None)
    assert _verdict(replace(STEERED, added=few)) == "inconclusive"
