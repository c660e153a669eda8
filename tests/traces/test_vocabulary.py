from __future__ import annotations

from pathlib import Path

import pytest

from augury.errors import DataError
from augury.models.load import ModelConfig, load_tokenizer
from augury.traces.vocabulary import single_token


def test_a_token_is_found_as_it_stands_in_running_text(augury_data: Path) -> None:
    """Alone, this tokenizer encodes " the" to two ids; in running text to one."""
    tokenizer = load_tokenizer(ModelConfig(name=str(augury_data / "model_stories260k")))
    ids = tokenizer("He saw the cat", add_special_tokens=False)["input_ids"]
    found = single_token(" the", tokenizer)
    assert found in ids and tokenizer.convert_ids_to_tokens(found) == "\u2581the"
    assert len(tokenizer(" the", add_special_tokens=False)["input_ids"]) > 1


def test_a_byte_level_vocabulary_tells_a_word_with_its_blank_from_one_without() -> None:
    tokenizer = load_tokenizer(ModelConfig(name="organism"))
    assert tokenizer.decode([single_token(" the", tokenizer)]) == " the"
    assert tokenizer.decode([single_token(".", tokenizer)]) == "."


@pytest.mark.parametrize("text", [" antidisestablishment", "", "the the"])
def test_what_is_not_one_token_is_refused_and_its_tokens_are_named(text: str) -> None:
    tokenizer = load_tokenizer(ModelConfig(name="organism"))
    with pytest.raises(DataError, match="one token of this model") as caught:
        single_token(text, tokenizer)
    assert repr(text) in str(caught.value)
