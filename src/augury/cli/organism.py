"""`augury organism`: the embedded model: train it, measure it, let it think."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(
    help="The embedded model: train it, measure it, let it think.", no_args_is_help=True
)


@app.command("train")
def train(
    folder: Annotated[Path, typer.Argument(help="Where the model goes.")],
    override: Annotated[
        list[str] | None, typer.Option("--override", "-o", help="key=value on top of the recipe.")
    ] = None,
) -> None:
    """Train from scratch, measure on held-out problems, write the model card (about an hour)."""
    from augury.config import load_config
    from augury.organism.card import train_and_measure
    from augury.organism.train import TrainConfig
    from augury.runs.progress import say

    for line in train_and_measure(load_config(TrainConfig, None, override or []), folder, say):
        print(line)


@app.command("train-adapter")
def train_adapter(
    folder: Annotated[Path, typer.Argument(help="Where the adapter goes.")],
    override: Annotated[
        list[str] | None, typer.Option("--override", "-o", help="key=value on top of the recipe.")
    ] = None,
) -> None:
    """Train the adapter that states calibrated confidence, and measure it (20 minutes)."""
    from augury.config import load_config
    from augury.organism.adapter import AdapterConfig
    from augury.organism.adapter_card import train_and_measure_adapter
    from augury.runs.progress import say

    settings = load_config(AdapterConfig, None, override or [])
    for line in train_and_measure_adapter(settings, folder, say):
        print(line)


@app.command("measure")
def measure(
    model: Annotated[str, typer.Argument(help="'organism' or a folder.")] = "organism",
    chains: Annotated[int, typer.Option(min=100, help="Held-out problems.")] = 2000,
) -> None:
    """Measure the figures that the model card states; exit 4 when one is out of its range."""
    from augury.organism.card import measure_and_check

    for line in measure_and_check(model, chains):
        print(line)


@app.command("think")
def think(
    count: Annotated[int, typer.Option(min=1, help="Problems.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of problems and sampling.")] = 0,
) -> None:
    """Print chains that the embedded model samples now."""
    from augury.models.generate import Sampling
    from augury.models.load import ModelConfig, load_model
    from augury.organism.chains import held_out_problems, sample_chains
    from augury.runs.progress import printable

    loaded = load_model(ModelConfig(name="organism"))
    settings = Sampling(temperature=1.0, max_new_tokens=400, seed=seed)
    for trace in sample_chains(loaded, held_out_problems(count, seed), settings):
        print("\n".join(printable(line) for line in trace.text.split("\n")))
        print()
