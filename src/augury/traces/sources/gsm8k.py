"""Grade-school maths problems: JSON lines of `{question, answer}`, the result after `####`."""

from __future__ import annotations

import re
from pathlib import Path

from augury.errors import DataError
from augury.traces.prompts import PromptStyle, render_prompt
from augury.traces.records import read_json_lines, text_of
from augury.traces.text import normalised_hash
from augury.traces.tokenizer import Tokenizer
from augury.traces.trace import Origin, Trace

__all__ = ["read_gsm8k"]

_RESULT = re.compile(r"####\s*(\S[^\n]*)\s*\Z")


def read_gsm8k(
    path: Path, *, tokenizer: Tokenizer | None = None, prompt_style: PromptStyle = "plain"
) -> list[Trace]:
    """Read one trace per problem.

    The completion is the written solution, untouched (calculator marks `<<...>>` and the line
    `#### result` included). `fields` are `problem` and `gold_answer`, the result as text without
    thousands commas. `group` is a hash of the question.

    Args:
        path: The JSON-lines file; its name and the row make the id.
        tokenizer: Needed by prompt style `chat` only.
        prompt_style: As in `render_prompt`.

    Raises:
        MissingInput: There is no such file.
        DataError: A line is malformed or has no result; file, row and field are named.
        ConfigError: The prompt style does not fit the tokenizer.
    """
    traces = []
    for row, record in read_json_lines(path):
        where = f"{path}:{row}"
        question, answer = text_of(record, "question", where), text_of(record, "answer", where)
        result = _RESULT.search(answer)
        if result is None:
            raise DataError(
                f"{where}:answer", found=repr(answer[-40:]), expected="a last line '#### result'"
            )
        rendered = render_prompt(question, tokenizer, style=prompt_style)
        gold = result.group(1).strip().replace(",", "")
        traces.append(
            Trace(
                id=f"{path.stem}_{row}",
                group=normalised_hash(question),
                prompt=rendered.text,
                completion=answer,
                spans=rendered.spans(),
                fields={"problem": question, "gold_answer": gold},
                origin=Origin("gsm8k"),
            )
        )
    return traces
