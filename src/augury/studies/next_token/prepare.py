"""Stage `prepare`: get the books, tokenise their passages once, cut windows, deal the books."""

from __future__ import annotations

from collections import Counter
from typing import Any

from augury.errors import ConfigError
from augury.models.load import context_of, load_tokenizer
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.studies.next_token.books import Books, gather_books
from augury.studies.next_token.config import NextTokenConfig
from augury.studies.texts import tokenise_all
from augury.targets.splits import assert_no_overlap, three_way
from augury.traces.table import write_traces
from augury.traces.tokens import TokenisedTrace, write_tokenised
from augury.traces.vocabulary import single_token

__all__ = ["FACTS", "SPLIT", "TOKENS", "TRACES", "prepare_books", "target_ids"]

TRACES, TOKENS = "data/traces.parquet", "data/tokens.parquet"
SPLIT, FACTS = "data/split.json", "data/books.json"


def prepare_books(run: Run, config: NextTokenConfig) -> dict[str, object]:
    """Write passages, tokens, split and what there is to know about them."""
    model = config.named_model
    longest = context_of(model)
    if config.books.context > longest:
        raise ConfigError(
            "books.context",
            found=f"{config.books.context} tokens",
            expected=f"at most the model's context of {longest}",
        )
    tokenizer = load_tokenizer(model)
    target_ids(config)  # refused before anything is read
    books = gather_books(config.books, tokenizer)
    pieces = tokenise_all(books.passages, config.windows_job(config.reading).traces, model)
    parts = [part for of_passage in pieces for part in of_passage]
    traces = books.passages
    split = three_way(
        [trace.group for trace in traces],
        [0] * len(traces),
        fractions=config.split.fractions,
        seed=config.split.seed,
    )
    assert_no_overlap(traces, split)
    sides = {"train": split.train, "validation": split.validation, "test": split.test}
    write_json(run.path / SPLIT, {name: sorted(groups) for name, groups in sides.items()})
    write_traces(run.path / TRACES, traces)
    write_tokenised(run.path / TOKENS, parts)
    facts = _facts(books, parts)
    write_json(run.path / FACTS, facts)
    return facts


def target_ids(config: NextTokenConfig) -> dict[str, int]:
    """Id of each token of the target.

    Raises:
        DataError: A text is not one token of this model.
    """
    tokenizer = load_tokenizer(config.named_model)
    return {text: single_token(text, tokenizer) for text in config.targets.tokens}


def _facts(books: Books, parts: list[TokenisedTrace]) -> dict[str, Any]:
    per_book = Counter(trace.group for trace in books.passages)
    return {
        "books": len(per_book),
        "passages": len(books.passages),
        "windows": len(parts),
        "tokens": sum(len(part.ids) - part.first_row for part in parts),
        "bos": any(part.bos for part in parts),
        "near_duplicates": [
            {"first": pair.first, "second": pair.second, "shared": pair.shared}
            for pair in books.near_duplicates
        ],
    }
