"""Make the embedded model, measure it, and write down what it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from augury.errors import CheckFailed
from augury.models.load import ModelConfig, load_model
from augury.organism.measure import REQUIRED, Measured, measure_organism
from augury.organism.train import TrainConfig, train_organism
from augury.runs.atomic import write_json, write_text

__all__ = ["measure_and_check", "train_and_measure"]

_MEANING = {
    "accuracy": "chains whose final answer is right",
    "backtracking_chains": "chains that backtrack",
    "backtracks_after_slip": "backtracks that follow an uncorrected slip of its own",
    "slip_rate_ratio": "backtracks per sentence with a slip open / without",
    "grammatical": "chains that its grammar reads whole",
    "text_over_oracle_4": "average precision 4 ahead: last three tokens / told of the slip too",
    "text_over_oracle_8": "average precision 8 ahead: last three tokens / told of the slip too",
}


def train_and_measure(
    config: TrainConfig, folder: Path, say: Callable[[str], None]
) -> Sequence[str]:
    """Train into `folder`, measure what was saved, write `README.md` and `measured.json` there."""
    train_organism(config, folder, say)
    measured = measure_organism(load_model(ModelConfig(name=str(folder), dtype="float32")))
    write_json(folder / "measured.json", asdict(measured))
    write_text(folder / "README.md", _card(config, measured))
    return [*_lines(measured), f"model   {folder}"]


def measure_and_check(model: str, chains: int) -> Sequence[str]:
    """Measure a model and compare with what is required of a shipped one.

    Raises:
        CheckFailed: A figure is out of its range.
    """
    loaded = load_model(ModelConfig(name=model, dtype="float32"))
    measured = measure_organism(loaded, chains=chains)
    if failures := measured.failures():
        raise CheckFailed(f"model {model}", found="; ".join(failures))
    return _lines(measured)


def _lines(measured: Measured) -> list[str]:
    return [
        f"{value:8.3f}  {_MEANING[name]} (required {_range(name)})"
        for name, value in measured.figures().items()
    ]


def _range(name: str) -> str:
    low, high = REQUIRED[name]
    if high == float("inf") or high == 1.0:
        return f"at least {low:.2g}"
    return f"at most {high:.2g}" if low == 0 else f"{low:.2g} to {high:.2g}"


def _card(config: TrainConfig, measured: Measured) -> str:
    rows = "\n".join(
        f"| {_MEANING[name]} | {value:.3f} | {_range(name)} |"
        for name, value in measured.figures().items()
    )
    low, middle, high = measured.delay_quartiles
    precision = "\n".join(
        f"| {h} | {s['prevalence']:.4f} | {s['text']:.3f} | {s['oracle']:.3f} |"
        for h, s in measured.average_precision.items()
    )
    settings = "\n".join(f"- {key}: {value}" for key, value in config.model_dump().items())
    return f"""---
license: apache-2.0
---
# The embedded model

A small Llama that was trained from scratch by `augury organism train` on text that a program
wrote: word problems solved step by step, with slips that are sometimes noticed and taken back. It
really backtracks, and the program's grammar knows the truth at every token. **It is not a language
model of English**, and nothing measured on it says anything about large models.

## Measured

On {measured.chains} held-out problems, sampled at temperature 1.

| what | found | required |
|---|---|---|
{rows}

{measured.slips_noticed:.0%} of its slips are corrected later; from slip to onset it takes
{low:.0f}, {middle:.0f}, {high:.0f} tokens (quartiles).

Average precision for an onset h tokens ahead, cross-fitted over halves. `last three` sees the last
three tokens; `oracle` sees them too and is told how long ago an uncorrected slip happened.

| h | prevalence | last three | oracle |
|---|---|---|---|
{precision}

## Recipe

{settings}

**The head was scaled by {config.sharpness:g} after training**, so temperature 1 is temperature
{1 / config.sharpness:.2f} of the model as trained. Why, and the figures without it: decision 4
of the project's documentation.

Text from seed {config.seed}: one document in five is a list of results marked right or wrong; of
the rest 86 % are worked problems, 6 % multiple choice (A-D), 4 % questions about confidence (S-Z),
4 % prose. In the later stages a third of the worked problems is marked, where the prompt asks for
it. Sums are ordered by thread: another machine, thread count or torch gives other low bits.
"""
