from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from augury.activations.extract import extract
from augury.activations.plan import ReadingPlan
from augury.models.load import ModelConfig, load_model
from augury.probes.grid import fit_logistic_grid
from augury.probes.linear import scores
from augury.traces.tokens import TokenisedTrace

BLOCKS, PLANTED, WORDS, TOKENS, TRACES = 4, 2, 16, 8, 400
SITES = ("embed", "resid.0", "resid.1", "resid.2", "resid.3")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama in which tokens hear of each other in block 2 for the first time, by construction."""
    from tokenizers import Tokenizer, models

    folder = tmp_path_factory.mktemp("planted")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=WORDS,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=BLOCKS,
        num_attention_heads=4,
        max_position_embeddings=64,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        model.model.embed_tokens.weight.normal_(0, 1)
        for number, block in enumerate(model.model.layers):
            if number < PLANTED:
                block.self_attn.o_proj.weight.zero_()
            else:
                block.self_attn.o_proj.weight.normal_(0, 0.3)
                block.self_attn.v_proj.weight.normal_(0, 0.3)
    model.save_pretrained(folder)
    core = Tokenizer(models.WordLevel({f"w{i}": i for i in range(WORDS)}, unk_token="w0"))
    PreTrainedTokenizerFast(tokenizer_object=core).save_pretrained(folder)
    return folder


def test_what_only_attention_can_tell_is_found_from_the_block_that_attends(
    model_folder: Path, tmp_path: Path
) -> None:
    """Is the first word of the text one of the first eight? Read at every later token."""
    rng = np.random.default_rng(0)
    texts = rng.integers(0, WORDS, (TRACES, TOKENS)).astype(np.int32)
    loaded = load_model(ModelConfig(name=str(model_folder), dtype="float32"))
    plan = ReadingPlan(sites=SITES, rows="completion")
    store = extract(
        loaded, [_tokenised(i, ids) for i, ids in enumerate(texts)], plan, tmp_path / "s"
    )
    trace = store.index["trace"]
    label = (texts[:, 0] < WORDS // 2)[trace]
    train = trace < TRACES * 3 // 4
    found = {}
    for site in SITES:
        states = store[site].numpy()
        weights = train.astype(np.float32)[:, None]
        grid = fit_logistic_grid(states, label[:, None], weights, np.array([0.001]))
        found[site] = roc_auc_score(label[~train], scores(states[~train], grid)[:, 0])
    for site in ("embed", "resid.0", "resid.1"):
        assert abs(found[site] - 0.5) < 0.06, found
    for site in ("resid.2", "resid.3"):
        assert found[site] > 0.75, found


def _tokenised(number: int, ids: np.ndarray) -> TokenisedTrace:
    ends = np.arange(1, len(ids) + 1, dtype=np.int32)
    return TokenisedTrace(
        trace_id=str(number),
        group=str(number),
        ids=ids,
        starts=ends - 1,
        ends=ends,
        special=np.zeros(len(ids), bool),
        role=np.full(len(ids), 3, np.uint8),
        first_row=1,
        part=0,
    )
