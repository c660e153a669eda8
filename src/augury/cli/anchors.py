"""`augury anchors`: checks of math-rollouts, before a study rests on them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from augury.studies.thought_anchors.config import ThoughtAnchorsConfig

__all__ = ["app"]

app = typer.Typer(help="Sentences of math-rollouts and their labels.", no_args_is_help=True)

_CONFIG = typer.Option("--config", "-c", help="YAML file of thought-anchors; its 'data' is read.")
_OVERRIDE = typer.Option("--override", "-o", help="key=value on top of the config.")


@app.command("index")
def index(
    config: Annotated[Path | None, _CONFIG] = None,
    override: Annotated[list[str] | None, _OVERRIDE] = None,
) -> None:
    """List the problems of a setting: id, sentences, right or wrong, what it is about."""
    from augury.report.text_table import text_table
    from augury.studies.thought_anchors.gathering import gather_problems

    gathered = gather_problems(_config(config, override).data)
    rows = [
        (str(p.id), len(p.chunks), p.correct, p.level, p.subject, p.gold_answer)
        for p in gathered.problems
    ]
    for line in text_table(("problem", "sentences", "right", "level", "subject", "answer"), rows):
        print(line)
    for number, why in gathered.skipped.items():
        print(f"problem {number} cannot be read: {why}")


@app.command("check-spans")
def check_spans(
    config: Annotated[Path | None, _CONFIG] = None,
    override: Annotated[list[str] | None, _OVERRIDE] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Whose tokens: a folder, a hub id; the config's model."),
    ] = None,
) -> None:
    """Find every sentence at its own place in the text, and in the tokens of a model."""
    from augury.studies.thought_anchors.checks import check_spans as check

    settings = _config(config, override)
    for line in check(settings.data, model or settings.named_model.name):
        print(line)


@app.command("verify-labels")
def verify_labels(
    config: Annotated[Path | None, _CONFIG] = None,
    override: Annotated[list[str] | None, _OVERRIDE] = None,
) -> None:
    """Compare published importances with what they are made of: accuracies, counts, rollouts."""
    from augury.studies.thought_anchors.label_check import verify_labels as check

    for line in check(_config(config, override).data):
        print(line)


def _config(config: Path | None, override: list[str] | None) -> ThoughtAnchorsConfig:
    from augury.studies.thought_anchors.study import STUDY

    return STUDY.read_config(config, override or [])
