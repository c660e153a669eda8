"""The shipped model keeps what its card promises (measured again, on fewer chains)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import augury
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.organism.measure import Measured, measure_organism
from augury.organism.world import LARGEST

WEIGHTS = Path(augury.__file__).parent / "organism" / "weights"


@pytest.fixture(scope="module")
def organism() -> LoadedModel:
    return load_model(ModelConfig(name="organism"))


@pytest.fixture(scope="module")
def measured(organism: LoadedModel) -> Measured:
    return measure_organism(organism, chains=400, seed=91)


def test_it_is_small_enough_to_be_package_data() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 12e6


def test_it_reads_at_least_1024_tokens(organism: LoadedModel) -> None:
    assert organism.context >= 1024


def test_every_number_of_its_world_is_one_token(organism: LoadedModel) -> None:
    encode = organism.tokenizer.backend_tokenizer.encode
    assert all(len(encode(f" {n}").ids) == 1 for n in range(LARGEST + 1))


def card() -> Measured:
    stored = json.loads((WEIGHTS / "measured.json").read_text())
    return Measured(**{**stored, "delay_quartiles": tuple(stored["delay_quartiles"])})


@pytest.mark.parametrize(
    "name", ["accuracy", "backtracking_chains", "backtracks_after_slip", "grammatical"]
)
def test_a_fresh_sample_agrees_with_the_card(measured: Measured, name: str) -> None:
    """Shares of 400 fresh chains lie within four standard errors of what the card states."""
    stated = card().figures()[name]
    assert abs(measured.figures()[name] - stated) < 4 * (stated * (1 - stated) / 400) ** 0.5


def test_the_card_was_measured_on_many_chains_and_states_every_figure() -> None:
    assert card().chains >= 1000
    text = (WEIGHTS / "README.md").read_text()
    assert all(f"{value:.3f}" in text for value in card().figures().values())


def test_the_shipped_model_reaches_every_required_figure() -> None:
    assert card().failures() == []


def test_chains_are_the_same_for_the_same_seed_whatever_the_batch(organism: LoadedModel) -> None:
    from augury.models.generate import Sampling
    from augury.organism.chains import held_out_problems, sample_chains

    problems = held_out_problems(12, 5)
    settings = Sampling(max_new_tokens=60, seed=5)
    together = sample_chains(organism, problems, settings)
    few = settings.model_copy(update={"batch_tokens": 400})
    assert [t.completion for t in sample_chains(organism, problems, few)] == [
        t.completion for t in together
    ]
