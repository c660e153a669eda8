"""Stage `analyse`: from a collection to findings, tables, figures and answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import xxhash

from augury.models.load import LoadedModel, load_model
from augury.report.blocks import Section
from augury.report.figures import save
from augury.runs.atomic import ensure_folder, write_json
from augury.runs.folder import Run
from augury.runs.progress import track
from augury.studies.introspection.analysis_config import AnalysisConfig
from augury.studies.introspection.analysis_figures import analysis_figures
from augury.studies.introspection.analysis_report import (
    analysis_sections,
    answers_of,
    verdict_lines,
)
from augury.studies.introspection.analysis_tables import write_tables
from augury.studies.introspection.collect import COLLECTED
from augury.studies.introspection.collected import Collected
from augury.studies.introspection.collection import Collection, items_path
from augury.studies.introspection.config import IntrospectionConfig
from augury.studies.introspection.findings import OpenModel, find, read_findings
from augury.studies.introspection.job import as_model, model_of
from augury.studies.introspection.questions import read_questions
from augury.studies.introspection.verdicts import Answer

__all__ = ["ANALYSIS", "analyse", "analyse_run", "analysed"]

ANALYSIS = "results/analysis"
"""Findings and tables, below the run."""


def analyse_run(run: Run, config: IntrospectionConfig) -> dict[str, object]:
    """Analyse what a run collected; parts that an interrupted call has finished are kept."""
    collection = Collection(run)
    files = [items_path(run, m, p) for m in collection.models for p in collection.passes]
    digest = xxhash.xxh3_128()
    for path in (run.path / COLLECTED, *files):
        digest.update(path.read_bytes())

    @contextmanager
    def open_model(model: str) -> Iterator[LoadedModel]:
        with as_model(model, load_model(model_of(config))) as loaded:
            yield loaded

    answers = analyse(
        collection,
        config.analysis,
        run.path,
        identity=digest.hexdigest(),
        open_model=open_model,
    )
    return {"answers": [f"{one.about}: {one.answer}" for one in answers]}


def analyse(
    collected: Collected,
    config: AnalysisConfig,
    folder: Path,
    *,
    identity: str,
    open_model: OpenModel | None = None,
) -> list[Answer]:
    """Analyse a collection; findings and tables go below `ANALYSIS`, figures into `figures`.

    Args:
        collected: Items and states.
        config: How.
        folder: Of the run.
        identity: Of the collection: what was found in another one is made anew.
        open_model: Gives the models to patch and steer; None where there are none.

    Raises:
        DataError: The collection cannot be analysed; see `read_questions`.
    """
    questions = read_questions(collected)
    results = ensure_folder(folder / ANALYSIS)
    found = find(questions, config, results, identity=identity, open_model=open_model)
    answers = answers_of(found, collected.models, config.alpha)
    write_tables(found, results)
    write_json(results / "answers.json", [asdict(answer) for answer in answers])
    drawn = list(analysis_figures(found, config.alpha))
    for one in track(drawn, what="drawing figures", total=len(drawn)):
        save(one.figure, folder / "figures", one.name)
    return answers


def analysed(
    collected: Collected, config: AnalysisConfig, folder: Path
) -> tuple[list[str], list[Section]]:
    """Verdict lines and sections of the report, from what `analyse` kept."""
    found = read_findings(folder / ANALYSIS)
    lines = verdict_lines(answers_of(found, collected.models, config.alpha))
    return lines, analysis_sections(found, read_questions(collected), config)
