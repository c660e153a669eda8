"""The tokenizer of a model is the one that its `tokenizer.json` describes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.traces.tokenizer_builders import byte_level
from tokenizers import Tokenizer

from augury.errors import MissingInput
from augury.models.source import ORGANISM, find_model
from augury.models.tokenizer import read_tokenizer

TEXT = "User: 2 + 2  is\n\n 650841823, na\u0131\u0308ve."
TEMPLATE = "{{ messages[0]['content'] }}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A byte-level tokenizer whose pre-tokenizer is none that a family of transformers has."""
    byte_level(template=TEMPLATE).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("family", "declared"),
    [
        ("llama", "LlamaTokenizerFast"),
        ("llama", "PreTrainedTokenizerFast"),
        ("qwen2", "LlamaTokenizerFast"),
        ("qwen2", "Qwen2Tokenizer"),
        ("olmo2", "GPT2Tokenizer"),
    ],
)
def test_no_family_reads_otherwise_than_the_file(family: str, declared: str, folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": family}))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings.pop("backend", None)
    settings |= {"tokenizer_class": declared}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    found = read_tokenizer(folder)
    promised = Tokenizer.from_file(str(folder / "tokenizer.json"))
    ids = found(TEXT, add_special_tokens=False)["input_ids"]
    assert ids == promised.encode(TEXT, add_special_tokens=False).ids
    assert found.decode(ids) == TEXT
    assert found.chat_template == TEMPLATE and found.eos_token == "</s>"


def test_a_tokenizer_that_agrees_with_its_file_is_left_as_it_is() -> None:
    found = read_tokenizer(find_model(ORGANISM, None))
    assert (found.bos_token, found.model_max_length) == ("<|bos|>", 1024)
    assert found.chat_template is not None


def test_a_folder_without_a_tokenizer_is_missing_input(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(MissingInput, match=r"tokenizer\.json"):
        read_tokenizer(tmp_path)
