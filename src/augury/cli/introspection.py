"""`augury introspection`: the study's steps with the flags of its first version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

__all__ = ["app"]

app = typer.Typer(help="Steps of the study introspection, one by one.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="YAML file, or a shipped config by its name."),
]
RunOption = Annotated[
    str | None, typer.Option("--run", help="A run; the last one ('latest') by default.")
]
RunsOption = Annotated[Path, typer.Option("--runs", help="Folder of all runs.")]
OverrideOption = Annotated[
    list[str] | None, typer.Option("--override", "-o", help="key=value; may be repeated.")
]
_RUNS = Path("runs")
_FEWEST_TOKENS = 64


@app.command("collect")
def collect(
    config: ConfigOption = None,
    model_type: Annotated[
        Literal["both", "base", "finetuned"] | None,
        typer.Option("--model-type", help="The base model, its adapter, or both."),
    ] = None,
    base_model_name: Annotated[
        str | None, typer.Option("--base-model-name", help="Hub id or folder of the model.")
    ] = None,
    lora_checkpoint: Annotated[
        str | None, typer.Option("--lora-checkpoint", help="Hub id or folder of the adapter.")
    ] = None,
    num_questions: Annotated[
        int | None, typer.Option("--num-questions", min=3, help="Ask only so many.")
    ] = None,
    which_questions: Annotated[
        str | None, typer.Option("--which-questions", help="Passes: mcq,self,other.")
    ] = None,
    dataset_path: Annotated[
        str | None, typer.Option("--dataset-path", help="File of questions.")
    ] = None,
    layout: Annotated[
        str | None, typer.Option("--layout", help="Of the file, as questions.source.")
    ] = None,
    shuffle_answers: Annotated[
        bool | None,
        typer.Option("--shuffle-answers/--no-shuffle-answers", help="Order of the options."),
    ] = None,
    batch_tokens: Annotated[
        int | None,
        typer.Option(
            "--batch-tokens",
            "--batch-size",
            help="Most tokens of a forward pass, padding included (not questions).",
        ),
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda, mps.")] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", help="Write the first version's files there too."),
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", help="Continue this run, or name a new one.")
    ] = None,
    runs: RunsOption = _RUNS,
    override: OverrideOption = None,
) -> None:
    """Ask every question in every pass; keep answers, states and metadata."""
    told = {
        "only": model_type,
        "model.name": base_model_name,
        "model.adapter": lora_checkpoint,
        "model.device": device,
        "questions.limit": num_questions,
        "questions.path": dataset_path,
        "questions.source": layout,
        "questions.shuffle_answers": shuffle_answers,
        "passes": None if which_questions is None else f"[{which_questions}]",
        "states.batch_tokens": _tokens(batch_tokens),
    }
    flags = [f"{key}={_yaml(value)}" for key, value in told.items() if value is not None]
    _check_free(output_dir)
    folder = _execute("collect", run, runs, config, [*flags, *(override or [])])
    if output_dir is not None:
        _export(folder, output_dir)


@app.command("inspect")
def inspect(
    run: RunOption = None,
    runs: RunsOption = _RUNS,
    model: Annotated[str | None, typer.Option("--model", help="base or adapter.")] = None,
    pass_: Annotated[str, typer.Option("--pass", help="mcq, self or other.")] = "mcq",
    show_examples: Annotated[
        int, typer.Option("--show-examples", min=0, help="Questions to print.")
    ] = 3,
) -> None:
    """Count, draw and print: examples, distributions, letters, values that are not finite."""
    from augury.studies.introspection.collection import Collection
    from augury.studies.introspection.inspection import example_lines, told

    folder = _execute("inspect", run or "latest", runs, None, [])
    for line in told(folder):
        print(line)
    for line in example_lines(folder, model or Collection(folder).models[0], pass_, show_examples):
        print(_printable(line))


@app.command("compare")
def compare(
    first: Annotated[str, typer.Argument(help="A run.")] = "latest",
    second: Annotated[
        str | None, typer.Argument(help="Another run; without it, base and adapter of the first.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder of the comparison of two runs.")
    ] = None,
    models: Annotated[
        str | None, typer.Option("--models", help="Of two runs: which model of each, base,adapter.")
    ] = None,
    runs: RunsOption = _RUNS,
) -> None:
    """Compare two collections question by question: tables, figures, a page."""
    from augury.studies.introspection.collection import Collection
    from augury.studies.introspection.comparison import Side, compare_sides
    from augury.studies.introspection.comparison_page import write_comparison
    from augury.studies.registry import find_study

    if second is None:
        print(_execute("compare", first, runs, None, []).path / "compare.html")
        return
    recipe = find_study("introspection")
    opened = [Collection(recipe.open(runs, name)[0]) for name in (first, second)]
    named = (models or "").split(",") if models else [one.models[0] for one in opened]
    if len(named) != 2:
        raise _usage("--models", str(models), "two names, such as base,adapter")
    sides = [
        Side(f"{one.run.name} {model}", one, model)
        for one, model in zip(opened, named, strict=True)
    ]
    folder = to or opened[1].run.path / f"compared-with-{opened[0].run.name}"
    for line in write_comparison(compare_sides(*sides), folder):
        print(line)


@app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(help="Must not exist.")],
    run: RunOption = None,
    runs: RunsOption = _RUNS,
    model: Annotated[str | None, typer.Option("--model", help="base or adapter.")] = None,
) -> None:
    """Write a collection in the first version's layout, for plain NumPy."""
    from augury.studies.registry import find_study

    _check_free(folder)
    _export(find_study("introspection").open(runs, run or "latest")[0], folder, model)


def _execute(
    stage: str, run: str | None, runs: Path, config: Path | None, override: list[str]
) -> Any:
    """Bring one step of a run up to date; the run."""
    from augury.cli.run import will_resume
    from augury.runs.folder import record
    from augury.runs.progress import say
    from augury.runs.provenance import provenance
    from augury.studies.registry import find_study

    recipe = find_study("introspection")
    there = run is not None and (
        run == "latest" or "/" in run or (runs / recipe.name / run).is_dir()
    )
    folder = recipe.open(runs, str(run))[0] if there else None
    base = config or (folder.config_path if folder else None)
    settings = recipe.read_config(base, override)
    folder = folder or recipe.start(runs, settings, run)
    will_resume(f"augury introspection {stage} --run {folder.name} --runs {runs}")
    say(f"run {folder.path}")
    # Looking at a step that is done changes nothing: what was made from it stays up to date.
    done = {planned.name for planned in recipe.plan(folder, settings) if planned.status == "done"}
    if stage not in done:
        record(folder, provenance=provenance())
        recipe.execute(folder, settings, only=stage)
    return folder


def _export(run: Any, folder: Path, model: str | None = None) -> None:
    from augury.studies.introspection.collection import Collection
    from augury.studies.introspection.export import export_collection

    collection = Collection(run)
    for name in [model] if model else collection.models:
        into = folder / name if model is None and len(collection.models) > 1 else folder
        for line in export_collection(collection, name, into):
            print(line)


def _check_free(folder: Path | None) -> None:
    from augury.errors import CannotCreate

    if folder is not None and folder.exists():
        raise CannotCreate(str(folder), found="exists already", fix="name another folder")


def _tokens(count: int | None) -> int | None:
    if count is not None and count < _FEWEST_TOKENS:
        raise _usage(
            "--batch-tokens", str(count), "tokens, not questions: 4096 is about 20 of them"
        )
    return count


def _usage(where: str, found: str, expected: str) -> Exception:
    from augury.errors import UsageError

    return UsageError(where, found=found, expected=expected)


def _yaml(value: object) -> str:
    """A value as an override reads it: text in quotes, lists as they are."""
    import json

    if isinstance(value, str) and not value.startswith("["):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _printable(line: str) -> str:
    from augury.runs.progress import printable

    return printable(line)
