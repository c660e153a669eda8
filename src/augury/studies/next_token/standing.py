"""How each site did on the target at each horizon, book by book, for sweeps."""

from __future__ import annotations

from collections.abc import Sequence

from augury.evaluate.standing import Standing, cell_standing
from augury.evaluate.stored import read_results
from augury.runs.folder import Run
from augury.studies.next_token.config import NextTokenConfig
from augury.studies.next_token.judge import CELLS, cells_of
from augury.studies.next_token.prepare import TRACES
from augury.studies.next_token.train import SCORES
from augury.studies.scores import read_scores
from augury.traces.table import read_traces

__all__ = ["standings"]


def standings(run: Run, config: NextTokenConfig) -> Sequence[Standing]:
    """One per cell, in the order of the results."""
    cells = cells_of(read_scores(run.path / SCORES), config)
    by_book = config.evaluation.unit == "book"
    passages = read_traces(run.path / TRACES)
    names = list(dict.fromkeys(each.group if by_book else each.id for each in passages))
    question = {
        "books": config.books.model_dump(mode="json", exclude={"seed"}),
        "tokens": list(config.targets.tokens),
        "unit": config.evaluation.unit,
    }
    return [
        cell_standing(
            cell,
            result,
            names,
            question=question,
            model=config.model.name,
            setting=config.books.path or config.books.source,
        )
        for cell, result in zip(cells, read_results(run.path / CELLS), strict=True)
    ]
