"""Checks that can be asked for: is the reader right, did the hooks fire, can texts be repeated?"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from augury.activations.plan import ReadingPlan
from augury.causal.lens import lens_sites
from augury.errors import CheckFailed, UsageError
from augury.evaluate.tripwires import Tripwire
from augury.models.generate import sample
from augury.models.load import context_of, load_model
from augury.report.token_view import TokenView
from augury.runs.folder import Run
from augury.studies.reading import ReadingJob, check_reader, load_reader
from augury.studies.state_transition.baseline import read_baseline
from augury.studies.state_transition.config import StateTransitionConfig
from augury.studies.state_transition.facts import keep
from augury.studies.state_transition.generations import sample_key
from augury.studies.state_transition.problems import prepare, read_prompts
from augury.traces.tokens import tokenise
from augury.traces.trace import Trace

__all__ = ["examine", "tripwires", "verify", "view"]

_EXAMINED = 24


def examine(config: StateTransitionConfig) -> Sequence[str]:
    """Run the doctor on the problems' prompts and their first words, without starting a run.

    Raises:
        CheckFailed: A check failed; the message names it.
    """
    model = config.named_model
    loaded = load_model(model)
    settings = config.generation.sampling.model_copy(update={"max_new_tokens": 64})
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder))
        small = {"dataset": config.dataset.model_copy(update={"max_examples": _EXAMINED})}
        prepare(run, config.model_copy(update=small))
        prompts = read_prompts(run, config.analysis.variant)
    written = sample(loaded, [p.ids for p in prompts], settings=settings)
    texts = {}
    for prompt, generation in zip(prompts, written, strict=True):
        completion = loaded.tokenizer.decode(generation.ids, clean_up_tokenization_spaces=False)
        if completion.strip():
            name = str(prompt.example_id)
            texts[name] = Trace(name, name, prompt.text, completion)
    parts = [tokenise(text, loaded.tokenizer) for text in texts.values()]
    parts = [part for part in parts if len(part) <= context_of(model)]
    job = ReadingJob(model=model, reading=ReadingPlan(sites=lens_sites(loaded.depth)))
    report = check_reader(load_reader(model, job.reading.sites), parts, texts, job)
    report.raise_if_failed()
    return report.lines()


def tripwires(run: Run) -> Sequence[Tripwire]:
    """What a finished run says about itself: edits that do nothing, and hooks that fired."""
    scan = json.loads((run.path / keep("ablation-scan")).read_text(encoding="utf-8"))
    calls = json.loads((run.path / keep("compare-conditions")).read_text(encoding="utf-8"))["calls"]
    moved, edited = float(scan["nothing_moved"]), float(calls["ablation_calls"])
    return [
        Tripwire(
            "an edit that changes nothing has no effect",
            moved == 0,
            moved,
            0.0,
            f"it moved the readout by {moved:.3g}",
        ),
        Tripwire(
            "the ablation was made",
            edited > 0,
            edited,
            1.0,
            f"{calls['ablation_calls']} hook calls of {calls['total_calls']} edited a pass",
        ),
    ]


def verify(run: Run, config: StateTransitionConfig) -> Sequence[str]:
    """Write the first chunk of the analysed variant again, and compare it token by token.

    Raises:
        CheckFailed: A text is another one.
        UsageError: A server wrote it; its draws are not ours to repeat.
    """
    if config.generation.backend == "server":
        raise UsageError(
            "verify", found="texts of a server", expected="texts that were written here"
        )
    loaded = load_model(config.named_model)
    rows = read_baseline(run, config.analysis.variant)[: config.generation.chunk]
    prompts = {prompt.example_id: prompt for prompt in read_prompts(run, config.analysis.variant)}
    again = sample(
        loaded,
        [prompts[row.example_id].ids for row in rows],
        settings=config.generation.sampling,
        keys=[sample_key(row.example_id, row.sample_id) for row in rows],
    )
    for row, generation in zip(rows, again, strict=True):
        if list(row.token_ids) != generation.ids:
            raise CheckFailed(
                f"problem {row.example_id}, sample {row.sample_id}",
                found=f"{len(generation.ids)} other tokens",
                expected=f"the stored {len(row.token_ids)}",
            )
    return [f"{len(rows)} texts were written again, token by token the same"]


def view(run: Run, config: StateTransitionConfig, names: Sequence[str]) -> TokenView:
    """There is nothing that colours tokens in this study.

    Raises:
        UsageError: Always.
    """
    raise UsageError(
        "view",
        found="the study state-transition, which fits no probes",
        expected="a study with probes",
        fix=f"open {run.path / 'report.html'}",
    )
