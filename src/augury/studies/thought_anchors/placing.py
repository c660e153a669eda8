"""Stage `tokens`: solutions as the model will read them, and which it cannot.

It comes before the reading and knows nothing of which states are kept, so that labels and folds
rest on it alone, and are the same for every reading of a model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from augury.models.load import depth_of
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig
from augury.studies.thought_anchors.gathering import gather_problems
from augury.studies.thought_anchors.solutions import Solutions, only_sentences, prepare_solutions
from augury.traces.tokens import read_tokenised, write_tokenised

__all__ = ["TOKENS", "UNREAD", "place_solutions", "placed_solutions", "placing", "unread_problems"]

TOKENS, UNREAD = "data/tokens.parquet", "data/unread.json"


def place_solutions(run: Run, config: ThoughtAnchorsConfig) -> dict[str, object]:
    """Write the tokens of every problem that can be read, and why others cannot."""
    if not config.activations:
        write_json(run.path / UNREAD, {})
        write_tokenised(run.path / TOKENS, [])
        return {"activations": False}
    found = prepare_solutions(config, config.reading.plan(depth_of(config.named_model)))
    write_json(run.path / UNREAD, {str(number): why for number, why in found.skipped.items()})
    write_tokenised(run.path / TOKENS, found.parts)
    return {"problems": len(found.numbers), "skipped": len(found.skipped)}


def placed_solutions(run: Run, config: ThoughtAnchorsConfig) -> Solutions:
    """What the stage left for the reading."""
    unread, gathered = unread_problems(run), gather_problems(config.data)
    pairs = zip(gathered.problems, gathered.traces, strict=True)
    kept = [(problem.id, trace) for problem, trace in pairs if problem.id not in unread]
    return Solutions(
        numbers=[number for number, _ in kept],
        traces=[only_sentences(trace) for _, trace in kept],
        parts=read_tokenised(run.path / TOKENS),
        skipped=unread,
    )


def placing(config: ThoughtAnchorsConfig) -> Mapping[str, object]:
    """What of the reading decides which problems can be read: not which states are kept.

    Windows alone may cut a sentence that has to be whole for its pooling.
    """
    reading = config.reading
    return {
        "bos": reading.bos,
        "overflow": reading.overflow,
        "longest": reading.longest,
        "pooling": reading.pooling if reading.overflow == "window" else None,
    }


def unread_problems(run: Run) -> dict[int, str]:
    """Problems that the model cannot read, and why."""
    facts = json.loads((run.path / UNREAD).read_text(encoding="utf-8"))
    return {int(number): why for number, why in facts.items()}
