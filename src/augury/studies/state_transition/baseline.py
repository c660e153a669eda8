"""Step `generate`: every problem in every format, without edits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from augury.models.generate import Generation, sample
from augury.models.load import LoadedModel, load_model, load_tokenizer
from augury.models.server import ServerModel
from augury.runs.folder import Run
from augury.studies.state_transition.config import StateTransitionConfig
from augury.studies.state_transition.generations import (
    Row,
    Writer,
    generation_path,
    read_rows,
    row_of,
    save_rows,
    write_rows,
)
from augury.studies.state_transition.given import read_given
from augury.studies.state_transition.problems import Prompt, read_prompts

__all__ = ["BASELINE", "decoder", "generate", "generate_variant", "read_baseline"]

BASELINE = "baseline"


def generate(run: Run, config: StateTransitionConfig) -> dict[str, object]:
    """Write the baseline of every variant, or take the texts that are there."""
    counts: dict[str, object] = {}
    writer = None if config.generation.backend == "given" else _writer(config)
    for variant in config.prompting.variants:
        rows = (
            _one(run, config, variant.name, *writer)
            if writer
            else _taken(run, config, variant.name)
        )
        counts[variant.name] = {
            "rows": len(rows),
            "finished": sum(row.finish_reason == "stop" for row in rows),
            "tokens": sum(row.completion_tokens for row in rows),
        }
    return counts


def generate_variant(run: Run, config: StateTransitionConfig, variant: str) -> list[Row]:
    """Write the baseline of one variant; a later `generate` writes what is missing."""
    if config.generation.backend == "given":
        return _taken(run, config, variant)
    return _one(run, config, variant, *_writer(config))


def read_baseline(run: Run, variant: str) -> list[Row]:
    """The rows of one variant."""
    return read_rows(generation_path(run, variant, BASELINE))


def decoder(tokenizer: Any) -> Callable[[Sequence[int]], str]:
    """Ids to text, nothing skipped and nothing mended."""
    return lambda ids: str(tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))


def _one(
    run: Run, config: StateTransitionConfig, variant: str, write: Writer, facts: dict[str, Any]
) -> list[Row]:
    settings = config.generation
    jobs = [
        (prompt, number)
        for prompt in read_prompts(run, variant)
        for number in range(settings.num_samples_per_prompt)
    ]
    return write_rows(
        generation_path(run, variant, BASELINE),
        jobs,
        write,
        decoder(load_tokenizer(config.named_model)),
        facts,
        chunk=settings.chunk,
    )


def _taken(run: Run, config: StateTransitionConfig, variant: str) -> list[Row]:
    """The given texts as rows."""
    facts = {"condition": BASELINE, "gen_params": {}, "model_hf_id": config.dataset.written_by}
    prompts = read_prompts(run, variant)
    rows = [
        row_of(
            prompt,
            0,
            Generation(list(text.token_ids), "stop" if text.finished else "length"),
            text.completion,
            facts,
        )
        for prompt, text in zip(prompts, read_given(config)[0], strict=True)
    ]
    save_rows(generation_path(run, variant, BASELINE), rows)
    return rows


def _writer(config: StateTransitionConfig) -> tuple[Writer, dict[str, Any]]:
    """Who continues prompts, and everything that decides what is written."""
    settings = config.generation
    params = settings.sampling.model_dump(mode="json") | {"backend": settings.backend}
    facts: dict[str, Any] = {
        "condition": BASELINE,
        "gen_params": params,
        "model_hf_id": config.model.name,
    }
    if settings.backend == "server":
        server = ServerModel(
            str(settings.url), config.model.name, load_tokenizer(config.named_model)
        )
        return (
            lambda prompts, keys: server.sample([p.ids for p in prompts], settings.sampling, keys)
        ), facts
    loaded = load_model(config.named_model)
    return _here(loaded, config), facts | {"identity": loaded.identity}


def _here(loaded: LoadedModel, config: StateTransitionConfig) -> Writer:
    def write(prompts: Sequence[Prompt], keys: Sequence[int]) -> list[Generation]:
        ids = [prompt.ids for prompt in prompts]
        return sample(loaded, ids, settings=config.generation.sampling, keys=keys)

    return write
