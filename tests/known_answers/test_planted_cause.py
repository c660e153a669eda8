"""What was built to be causal is found to be, and what was built not to be is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tests.known_answers.causal_worlds import (
    CONSTANT,
    ECHO,
    FILLERS,
    FLAG,
    SITES,
    WAIT,
    axis,
    moments,
    planted_model,
    prompts,
)

from augury.causal.edits import Edit, add, mean, zero
from augury.causal.forced import ForcedText, all_forced, control_divergence, neutral_loss
from augury.causal.gates import Capability, GateLimits, broken, gates
from augury.causal.generation import loops, sample_edited
from augury.causal.lens import lens_sites, logit_lens
from augury.causal.moments import log_mass
from augury.causal.reference import reference_states
from augury.causal.scan import scan
from augury.causal.selection import halves, split_effects
from augury.causal.steering import Direction, Measured, SteeringSettings, steer
from augury.models.generate import Sampling
from augury.models.load import LoadedModel

PAIRS = 60


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return planted_model()


@pytest.fixture(scope="module")
def quiet(model: LoadedModel) -> np.ndarray:
    """Mean state at resid.1 where no SLIP stands before."""
    texts = [np.array(ids) for ids in prompts(60, slips=False, seed=9)]
    rows = [np.arange(1, len(ids)) for ids in texts]
    return reference_states(model, texts, rows, ["resid.1"])["resid.1"].mean(axis=0)


@pytest.fixture(scope="module")
def reference(model: LoadedModel) -> dict[str, np.ndarray]:
    texts = prompts(60, slips=True, seed=8) + prompts(60, slips=False, seed=9)
    rows = [np.arange(1, len(ids)) for ids in texts]
    return reference_states(model, [np.array(t) for t in texts], rows, [*SITES, "resid.1"])


def test_the_scan_finds_the_two_sites_that_were_planted_and_no_other(
    model: LoadedModel, reference: dict[str, np.ndarray]
) -> None:
    events, controls = moments(PAIRS, slips=True, seed=1), moments(PAIRS, slips=False, seed=2)
    edits = {site: [mean(site, reference[site])] for site in SITES}
    found = scan(model, [*events, *controls], edits, log_mass([WAIT]))
    difference = found.change[:PAIRS] - found.change[PAIRS:]
    groups = [moment.group for moment in events]
    effects = split_effects(found.names, difference, groups, halves(groups, seed=0))
    assert effects.strongest([s for s in SITES if s.startswith("attn")], 1) == ("attn.1",)
    assert effects.strongest([s for s in SITES if s.startswith("mlp")], 1) == ("mlp.2",)
    report = dict(zip(found.names, effects.report.mean, strict=True))
    p = dict(zip(found.names, effects.report.p_corrected, strict=True))
    for site in SITES:
        if site in ("attn.1", "mlp.2"):
            assert report[site] < -0.5 and p[site] < 0.01
        else:
            assert abs(report[site]) < 0.1


def test_the_lens_sees_the_word_from_the_planted_block_on_and_not_before(
    model: LoadedModel,
) -> None:
    events, controls = moments(PAIRS, slips=True, seed=1), moments(PAIRS, slips=False, seed=2)
    found = logit_lens(model, [*events, *controls], lens_sites(4), log_mass([WAIT]))
    gap = dict(
        zip(found.sites, (found.value[:PAIRS] - found.value[PAIRS:]).mean(axis=0), strict=True)
    )
    for site in ("embed", "resid.0", "resid.1"):
        assert abs(gap[site]) < 0.2, gap
    for site in ("resid.2", "resid.3", "final"):
        assert gap[site] > 1.0, gap
    assert found.kl[:, -1].max() < 1e-6


def _bench(model: LoadedModel) -> tuple[Callable[[Sequence[Edit]], Measured], list[str]]:
    texts = prompts(40, slips=True, seed=3) + prompts(40, slips=False, seed=4)
    neutral = [np.array([1, *np.random.default_rng(5).choice(FILLERS, 20)])]
    controls = [
        ForcedText(np.array(ids), np.array([len(ids) - 1]))
        for ids in prompts(20, slips=False, seed=6)
    ]

    clean = all_forced(model, controls, [])

    def measure(edits: Sequence[Edit]) -> Measured:
        settings = Sampling(max_new_tokens=6, seed=1)
        written = sample_edited(model, texts, edits, settings=settings).generations
        outcome = np.array([float(WAIT in one.ids) for one in written])
        sound = [set(one.ids) <= {*FILLERS.tolist(), WAIT} for one in written]
        return Measured(
            outcome,
            Capability(
                loops=np.array([loops(one.ids) for one in written]),
                perplexity=float(
                    np.exp(neutral_loss(model, neutral, edits, apart_from=[WAIT]).mean())
                ),
                control_kl=float(
                    control_divergence(model, controls, clean, edits, apart_from=[WAIT]).mean()
                ),
                right=np.array(sound),
            ),
        )

    return measure, [f"problem{n}" for n in range(80)]


SETTINGS = SteeringSettings(doses=(0.2, 0.4), draws=20)


def _readable(model: LoadedModel, direction: np.ndarray) -> float:
    """AUROC of the projection at resid.1: did SLIP stand before?"""
    texts = prompts(40, slips=True, seed=11) + prompts(40, slips=False, seed=12)
    rows = [np.array([len(ids) - 1]) for ids in texts]
    states = reference_states(model, [np.array(t) for t in texts], rows, ["resid.1"])["resid.1"]
    return float(roc_auc_score([1] * 40 + [0] * 40, states @ direction))


def test_the_planted_direction_is_readable_and_causal(
    model: LoadedModel, reference: dict[str, np.ndarray], quiet: np.ndarray
) -> None:
    assert _readable(model, axis(FLAG)) > 0.99
    measure, groups = _bench(model)
    direction = Direction("resid.1", axis(FLAG), reference["resid.1"], quiet)
    found = steer(direction, measure, groups, SETTINGS, readable=True)
    assert found.conclusion.verdict == "readable and causal", found.conclusion
    own = found.tests["add, random"]
    assert own.effect > 0.2 and own.p_draws == pytest.approx(1 / 21)
    assert max(abs(draw) for draw in own.draws) < own.effect
    assert found.tests["erase, orthogonal"].effect < -0.1


def test_a_direction_that_is_readable_but_unused_is_not_called_causal(
    model: LoadedModel, reference: dict[str, np.ndarray], quiet: np.ndarray
) -> None:
    assert _readable(model, axis(ECHO)) > 0.99
    measure, groups = _bench(model)
    direction = Direction("resid.1", axis(ECHO), reference["resid.1"], quiet)
    found = steer(direction, measure, groups, SETTINGS, readable=True)
    assert found.conclusion.verdict == "readable, not shown causal", found.conclusion


def test_a_direction_on_which_everything_rests_breaks_the_model(
    model: LoadedModel, reference: dict[str, np.ndarray]
) -> None:
    measure, groups = _bench(model)
    direction = Direction("resid.1", -axis(CONSTANT), reference["resid.1"])
    settings = SETTINGS.model_copy(update={"doses": (0.8, 1.6)})
    found = steer(direction, measure, groups, settings, readable=True)
    assert found.conclusion.verdict == "breaks the model", found.conclusion
    assert found.dose is None


def test_an_ablation_that_breaks_the_model_fails_its_gates_and_the_planted_one_does_not(
    model: LoadedModel,
) -> None:
    measure, _ = _bench(model)
    clean = measure([])
    for site, breaks in (("mlp.0", True), ("mlp.2", False)):
        found = measure([zero(site)])
        assert broken(gates(clean.capability, found.capability, GateLimits())) is breaks, site
        assert found.outcome.mean() != clean.outcome.mean()


def test_too_few_draws_or_problems_leave_it_open(
    model: LoadedModel, reference: dict[str, np.ndarray], quiet: np.ndarray
) -> None:
    measure, groups = _bench(model)
    direction = Direction("resid.1", axis(FLAG), reference["resid.1"], quiet)
    few = SETTINGS.model_copy(update={"draws": 5})
    assert steer(direction, measure, groups, few, readable=True).conclusion.verdict == (
        "inconclusive"
    )
    lumped = [f"problem{n % 8}" for n in range(80)]
    assert steer(direction, measure, lumped, few, readable=True).conclusion.verdict == (
        "inconclusive"
    )


def test_steering_is_a_dose_curve(model: LoadedModel) -> None:
    measure, _ = _bench(model)
    rates = [measure([add("resid.1", axis(FLAG) * size)]).outcome.mean() for size in (0, 1, 2, 4)]
    assert rates == sorted(rates) and rates[-1] > rates[0] + 0.3
