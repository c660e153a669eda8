"""Load a model's tokenizer as `tokenizer.json` describes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from augury.errors import MissingInput

__all__ = ["read_tokenizer"]

_PROBE = (
    "Wait, 650841823 isn't 2^{31}-1.\n\n  So \\(x = 3.5\\),\tI've\u00a0checked: na\u00efve "
    "\u2014 na\u0131\u0308ve! </think>\n```py\n    return f(x)  # DON'T\n```"
)
"""Blanks, line ends, digits, contractions, accents and code: where pre-tokenizers differ."""


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer in the folder of a model.

    From transformers 5 on, some families replace the pre-tokenizer of `tokenizer.json` by their
    own, whatever the model was trained with (blanks of DeepSeek-R1-Distill-Llama vanished, numbers
    of OLMo 2 were cut elsewhere: huggingface/transformers issues 45488 and 45920). Where they
    encode a text otherwise than the file does, the file is followed.

    Raises:
        MissingInput: No tokenizer that can be read.
    """
    path = folder / "tokenizer.json"
    try:
        found = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        if not path.is_file() or _encoded(found) == _as_in(path):
            return found
        return PreTrainedTokenizerFast.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise MissingInput(
            f"model {folder}",
            found=f"no tokenizer that can be read ({type(error).__name__})",
            expected="tokenizer.json",
            fix="put the model's tokenizer.json into its folder",
        ) from error


def _encoded(tokenizer: Any) -> list[int]:
    ids: list[int] = tokenizer(_PROBE, add_special_tokens=False)["input_ids"]
    return ids


def _as_in(path: Path) -> list[int]:
    ids: list[int] = Tokenizer.from_file(str(path)).encode(_PROBE, add_special_tokens=False).ids
    return ids
