"""Small real tokenizers, built in milliseconds."""

from __future__ import annotations

from typing import Any

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

CORPUS = [
    "User: What is 2 + 2?\n\nAssistant: <think>So it is 5. Wait, that is wrong. It is 4.</think> 4",
    "Hold on, let me check the step again. Actually the answer is twelve, not eleven.",
]


def byte_level(
    *, trim: bool = False, nfc: bool = False, auto_bos: bool = False, template: str | None = None
) -> Any:
    """A byte-level BPE tokenizer; `<s>` has id 0."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    if nfc:
        raw.normalizer = normalizers.NFC()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<s>", "</s>", "<|user|>"],
        show_progress=False,
    )
    raw.train_from_iterator(CORPUS * 3, trainer)
    raw.post_processor = processors.ByteLevel(trim_offsets=trim)
    if auto_bos:
        bos = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
        raw.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=trim), bos])
    made = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")
    made.add_tokens(["</think>"])
    made.add_special_tokens({"additional_special_tokens": ["<|user|>"]})
    made.chat_template = template
    return made


def word_level(words: list[str]) -> Any:
    """Whole words between white space; no BOS, no byte fallback."""
    vocabulary = {word: number for number, word in enumerate(["[UNK]", *words])}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="[UNK]")


class Shifted:
    """A tokenizer whose offsets are replaced, as faulty libraries have done."""

    def __init__(self, inner: Any, offsets: str, ids: bool = True) -> None:
        self._inner, self._offsets, self._ids = inner, offsets, ids

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __call__(self, text: str, **options: Any) -> dict[str, Any]:
        answer = dict(self._inner(text, **options))
        if self._offsets == "none":
            answer.pop("offset_mapping", None)
        elif "offset_mapping" in answer:
            answer["offset_mapping"] = [(start, start) for start, _ in answer["offset_mapping"]]
        return answer

    def convert_ids_to_tokens(self, ids: Any, **options: Any) -> Any:
        pieces = self._inner.convert_ids_to_tokens(ids, **options)
        return pieces if self._ids else ["?" for _ in pieces]
