"""The shipped model keeps what its card promises (measured again, on fewer chains)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import augury
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.organism.measure import REQUIRED, Measured, measure_organism

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
    assert all(len(encode(f" {n}").ids) == 1 for n in range(61))


@pytest.mark.parametrize(
    "name",
    ["accuracy", "backtracking_chains", "backtracks_after_slip", "slip_rate_ratio", "grammatical"],
)
def test_a_fresh_sample_keeps_to_the_required_range(measured: Measured, name: str) -> None:
    low, high = REQUIRED[name]
    slack = 0.02 if high <= 1 else 0.0  # 400 chains have a standard error of up to 0.025
    assert low - slack <= measured.figures()[name] <= high + slack


def test_the_card_states_figures_within_the_required_ranges() -> None:
    stored = json.loads((WEIGHTS / "measured.json").read_text())
    figures = Measured(**{**stored, "delay_quartiles": tuple(stored["delay_quartiles"])})
    assert figures.failures() == []
    assert figures.chains >= 1000


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
