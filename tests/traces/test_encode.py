"""Special strings in template and text at once, for tokenizers that differ in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_builders import Shifted, byte_level
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from augury.errors import ConfigError
from augury.traces.encode import bos_of, encode

BPE = byte_level()
PARTS = st.lists(st.sampled_from(["<s>", "</s>", "<|user|>", "Wait", " it is", "\n", " "]))


def first_only() -> Any:
    """A tokenizer that marks only the very first word of a text as the start of one."""
    pieces = ["<unk>", "<s>", "▁", *"abx<>s/", "▁a", "▁b"]
    raw = Tokenizer(
        models.BPE(
            {piece: number for number, piece in enumerate(pieces)},
            [("▁", "a"), ("▁", "b")],
            unk_token="<unk>",
        )
    )
    raw.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    raw.decoder = decoders.Metaspace(prepend_scheme="first")
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", unk_token="<unk>")


@given(head=PARTS, tail=PARTS)
@settings(max_examples=60, deadline=None)
def test_no_special_id_stands_in_foreign_text_and_all_stand_in_the_template(
    head: list[str], tail: list[str]
) -> None:
    prompt, foreign = "".join(head), "".join(tail)
    encoding = encode(prompt + foreign, BPE, [(len(prompt), len(prompt + foreign))])
    specials = [0, 1, 2]
    inside = [k in specials for k in encoding.ids[encoding.starts >= len(prompt)]]
    assert not any(inside)
    expected = [k for k in BPE(prompt)["input_ids"] if k in specials]
    assert [k for k in encoding.ids.tolist() if k in specials] == expected
    assert BPE.decode(encoding.ids.tolist()) == prompt + foreign


def test_without_foreign_text_the_encoding_is_the_librarys() -> None:
    text = "<|user|> Wait<s>it is </s>"
    assert encode(text, BPE, []).ids.tolist() == BPE(text)["input_ids"]


def test_a_tokenizer_that_reads_the_start_of_a_text_differently_is_refused_not_guessed() -> None:
    tokenizer = first_only()
    assert encode("<s>a b", tokenizer, []).ids.tolist() == tokenizer("<s>a b")["input_ids"]
    assert 1 not in encode("a <s>", tokenizer, [(0, 5)]).ids.tolist()
    with pytest.raises(ConfigError, match="differently from text by itself"):
        encode("<s>a <s>", tokenizer, [(3, 8)])


def test_a_special_token_that_swallows_white_space_keeps_it() -> None:
    tokenizer = byte_level()
    swallows = AddedToken("<|end|>", rstrip=True, normalized=False, special=True)
    tokenizer.add_tokens([swallows], special_tokens=True)
    number = tokenizer.convert_tokens_to_ids("<|end|>")
    text = "<|end|>\n\n\nWait <s>"
    plain = [number, *tokenizer("Wait")["input_ids"]]
    assert tokenizer("<|end|>\n\n\nWait")["input_ids"] == plain
    encoding = encode(text, tokenizer, [(len(text) - 3, len(text))])
    assert encoding.ids[:2].tolist() == plain[:2]
    assert encoding.ends[0] == encoding.starts[1] == 10


def test_a_tokenizer_that_parses_foreign_special_strings_is_refused() -> None:
    class Careless(Shifted):
        def __call__(self, text: str, **options: Any) -> dict[str, Any]:
            return dict(self._inner(text, **{**options, "split_special_tokens": False}))

    with pytest.raises(ConfigError, match="foreign text"):
        encode("a <s> b", Careless(BPE, ""), [(0, 7)])


def test_a_tokenizer_that_adds_two_tokens_in_front_is_refused() -> None:
    class Chatty(Shifted):
        def __call__(self, text: str, **options: Any) -> dict[str, Any]:
            ids = list(self._inner(text, **options)["input_ids"])
            return {"input_ids": [1, 2, *ids] if options.get("add_special_tokens") else ids}

    with pytest.raises(ConfigError, match="one BOS or none"):
        bos_of(Chatty(BPE, ""), "auto", [])
