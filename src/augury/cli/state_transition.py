"""`augury state-transition`: the study's steps under the names of its first version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["app"]

app = typer.Typer(help="Steps of the study state-transition, one by one.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="YAML file; the run's own by default.")
]
RunOption = Annotated[
    str | None, typer.Option("--run", "--run-id", help="A run; the pinned one by default.")
]
RunsOption = Annotated[Path, typer.Option("--runs", help="Folder of all runs.")]
OverrideOption = Annotated[
    list[str] | None, typer.Option("--override", "-o", help="key=value; may be repeated.")
]
VariantOption = Annotated[
    str | None, typer.Option("--variant", help="Whose events; analysis.variant by default.")
]
_RUNS = Path("runs")


@app.command("init-run")
def init_run(
    config: ConfigOption = None,
    run: RunOption = None,
    runs: RunsOption = _RUNS,
    override: OverrideOption = None,
) -> None:
    """Create a run and pin it: the other steps work on it until another one is pinned."""
    from augury.runs.folder import pin_run
    from augury.studies.registry import find_study

    recipe = find_study("state-transition")
    folder = recipe.start(runs, recipe.read_config(config, override or []), run)
    pin_run(runs, recipe.name, folder)
    print(folder.path)


@app.command("generate")
def generate(
    condition: Annotated[
        str, typer.Option("--condition", help="baseline, targeted_ablation or random_ablation.")
    ] = "baseline",
    variant: VariantOption = None,
    config: ConfigOption = None,
    run: RunOption = None,
    runs: RunsOption = _RUNS,
    override: OverrideOption = None,
) -> None:
    """Let the model write; `--variant` writes one format only."""
    from augury.errors import UsageError

    steps = {
        "baseline": "generate",
        "targeted_ablation": "generate-targeted",
        "random_ablation": "generate-random",
    }
    if condition not in steps:
        raise UsageError("--condition", found=condition, expected=", ".join(steps))
    if condition == "baseline" and variant is not None:
        from augury.studies.state_transition.baseline import generate_variant

        folder, settings = _opened(run, runs, config, override)
        rows = generate_variant(folder, settings, variant)
        print(f"{len(rows)} texts of {variant}")
        return
    _step(steps[condition], run, runs, config, override, variant)


def _add(name: str, help_: str) -> None:
    def command(
        variant: VariantOption = None,
        config: ConfigOption = None,
        run: RunOption = None,
        runs: RunsOption = _RUNS,
        override: OverrideOption = None,
    ) -> None:
        _step(name, run, runs, config, override, variant)

    app.command(name, help=help_)(command)


for _name, _help in (
    ("prepare-data", "Problems, and their prompts in every format."),
    ("detect-events", "Every event of the baseline, and every answer."),
    ("logit-lens", "At which depth the trigger can be seen coming."),
    ("ablation-scan", "Which sub-layers decide."),
    ("compare-conditions", "Does ablation take events away?"),
    ("formatting-sweep", "Does the format of the prompt matter?"),
    ("steering", "The direction of deciding states: added, erased, and its controls."),
    ("subset-sweep", "Parts of the chosen set."),
    ("scale-sweep", "Weaker ablations."),
    ("continuation-ablation", "From the event on: does it still come?"),
    ("make-report", "Figures and report."),
):
    _add(_name, _help)


def _opened(
    run: str | None, runs: Path, config: Path | None, override: list[str] | None
) -> tuple[Any, Any]:
    from augury.runs.folder import pinned_run
    from augury.studies.registry import find_study

    recipe = find_study("state-transition")
    name = run or pinned_run(runs, recipe.name)
    folder, _ = recipe.open(runs, name)
    return folder, recipe.read_config(config or folder.config_path, override or [])


def _step(
    name: str,
    run: str | None,
    runs: Path,
    config: Path | None,
    override: list[str] | None,
    variant: str | None,
) -> None:
    from augury.runs.progress import say
    from augury.studies.registry import find_study

    more = [*(override or []), *([f"analysis.variant={variant}"] if variant else [])]
    folder, settings = _opened(run, runs, config, more)
    say(f"run {folder.path}")
    recipe = find_study("state-transition")
    recipe.execute(folder, settings, only=name)
    if name == "make-report":
        for line in recipe.conclude(folder):
            print(line)
