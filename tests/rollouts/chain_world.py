"""A constructed model whose answer is decided by one sentence, and an encoder for its sentences.

The model is a Llama whose blocks add nothing, so that the next token depends on the last one alone:
a Markov chain with a table that is written down here. "Start." is followed by "Yes." or "No.", and
each of these by its own road of sentences to the answer, which is 7 with a chance that the road
decides. Every importance follows from the table.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM
from transformers import PreTrainedTokenizerFast as Fast

YES, RIGHT_AFTER_YES, RIGHT_AFTER_NO = 0.6, 0.9, 0.2
TABLE: dict[str, dict[str, float]] = {
    "<think>": {"Start.": 1.0},
    "Start.": {"Yes.": YES, "No.": 1 - YES},
    "Yes.": {"Going.": 1.0},
    "Going.": {"On.": 1.0},
    "On.": {"</think>": 1.0},
    "</think>": {"Answer:": 1.0},
    "No.": {"Coming.": 1.0},
    "Coming.": {"Back.": 1.0},
    "Back.": {"</think>'": 1.0},
    # the same words to a reader, another token to the chain, which remembers nothing else
    "</think>'": {"Answer:'": 1.0},
    "Answer:": {"7": RIGHT_AFTER_YES, "8": 1 - RIGHT_AFTER_YES},
    "Answer:'": {"7": RIGHT_AFTER_NO, "8": 1 - RIGHT_AFTER_NO},
    "7": {"</s>": 1.0},
    "8": {"</s>": 1.0},
}
WORDS = ["<pad>", "<s>", "</s>", *TABLE, "Question", *(f"number{n}" for n in range(20))]


def write_model(folder: Path) -> Path:
    """The chain as a model folder."""
    number = {word: n for n, word in enumerate(WORDS)}
    width = -(-len(WORDS) // 4) * 4
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(WORDS),
            hidden_size=width,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=64,
            bos_token_id=1,
            eos_token_id=2,
            tie_word_embeddings=False,
        )
    )
    with torch.no_grad():
        layer = model.model.layers[0]
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
        model.model.embed_tokens.weight.zero_()
        model.model.embed_tokens.weight[:, : len(WORDS)] = torch.eye(len(WORDS))
        table = torch.full((len(WORDS), width), -1e4)
        for word, chances in TABLE.items():
            for following, chance in chances.items():
                table[number[following], number[word]] = torch.tensor(chance).log()
        # the final norm stretches a one-hot state to the root of its width
        model.lm_head.weight.copy_(table / width**0.5)
    model.save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    return folder


def write_encoder(folder: Path) -> Path:
    """A small random BERT with mean pooling, in the layout of sentence-transformers."""
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(WORDS),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=32,
            initializer_range=0.5,
        )
    ).save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    told = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(told))
    return folder


def write_questions(path: Path, count: int) -> Path:
    """Problems whose right answer is 7, with the base solution Start. Yes. Going. On."""
    solution = "Start. Yes. Going. On. </think> Answer: 7"
    rows = [
        {"id": n, "problem": f"Question number{n}", "answer": "7", "solution": solution}
        for n in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _tokenizer() -> Fast:
    inner = Tokenizer(models.WordLevel({w: n for n, w in enumerate(WORDS)}, unk_token="<pad>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return Fast(
        tokenizer_object=inner,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        model_max_length=64,
    )
