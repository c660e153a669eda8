"""A model whose parts nobody has heard of is read by naming them in the config."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.families import COMMON, word_tokenizer
from tests.stranger import MODULE_NAMES, StrangerConfig, StrangerForCausalLM

from augury.activations.plan import ReadingPlan
from augury.activations.store import Store
from augury.errors import CheckFailed, ConfigError
from augury.models.load import ModelConfig, load_model
from augury.models.reference import distance, reference_of
from augury.studies.reading import ReadingJob, load_reader, run_job
from augury.studies.texts import TraceConfig
from augury.traces.table import write_traces
from augury.traces.tokens import read_tokenised
from augury.traces.trace import Trace


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model and its texts on disk."""
    made = tmp_path_factory.mktemp("stranger")
    torch.manual_seed(3)
    model = StrangerForCausalLM(StrangerConfig(**COMMON))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                # Norms of one would hide a norm that was mistaken for another.
                parameter.add_(torch.randn_like(parameter) * 0.3)
    model.save_pretrained(made / "model")
    word_tokenizer().save_pretrained(made / "model")
    random = np.random.default_rng(0)
    words = [" ".join(f"w{i}" for i in random.integers(3, 64, size)) for size in (6, 24, 15, 9)]
    texts = [Trace(f"t{k}", "g", "w3 w4 ", text) for k, text in enumerate(words)]
    write_traces(made / "traces.parquet", texts)
    return made


def _job(folder: Path, sites: tuple[str, ...], names: dict[str, str]) -> ReadingJob:
    return ReadingJob(
        model=ModelConfig(name=str(folder / "model"), device="cpu", module_names=names),
        traces=TraceConfig(source="traces", path=str(folder / "traces.parquet")),
        reading=ReadingPlan(sites=sites),
    )


@pytest.mark.parametrize(
    "sites",
    [
        ("embed", "query.0", "key.0", "attn.0", "mlp.0", "resid.0"),
        ("resid.1", "final", "logits"),
    ],
    ids=["first block alone, without a head", "whole"],
)
def test_its_states_are_read_checked_and_stored(
    sites: tuple[str, ...], folder: Path, tmp_path: Path
) -> None:
    job = _job(folder, sites, MODULE_NAMES)
    run_job(job, tmp_path / "out")
    store = Store.open(tmp_path / "out" / "store")
    whole = load_model(job.named_model)
    for number, part in enumerate(read_tokenised(tmp_path / "out" / "tokens.parquet")):
        rows, reference = store.rows_of(number), reference_of(whole, part.ids)
        kept = store.index["token"][rows].tolist()
        for site in sites:
            assert distance(store[site].torch(rows), reference.site(site)[kept]) < 2e-6
    blocks = len(load_reader(job.named_model, sites).blocks.layers)
    assert blocks == (2 if "final" in sites else 1)


def test_without_names_the_first_missing_one_is_asked_for(folder: Path, tmp_path: Path) -> None:
    named: dict[str, str] = {}
    with pytest.raises(ConfigError, match=r"set module_names\.layers"):
        run_job(_job(folder, ("resid.0",), named), tmp_path / "out")
    named = {key: MODULE_NAMES[key] for key in ("layers", "embed", "final_norm", "head")}
    with pytest.raises(ConfigError, match=r"set module_names\.attn.*a child name of a block"):
        run_job(_job(folder, ("attn.0",), named), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_wrong_name_is_found_by_the_doctor(folder: Path, tmp_path: Path) -> None:
    early = {**MODULE_NAMES, "mlp": "calm_between"}
    with pytest.raises(CheckFailed, match="sub-layers add up"):
        run_job(_job(folder, ("mlp.0",), early), tmp_path / "out")
    other = {**MODULE_NAMES, "final_norm": "tower.floors.0.calm_before"}
    with pytest.raises(CheckFailed, match="final norm once"):
        run_job(_job(folder, ("resid.0",), other), tmp_path / "out")
