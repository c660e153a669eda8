"""Step `collect`: ask every question in every pass of every model; read states, check, tabulate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import xxhash

from augury.activations.estimate import Estimate, estimate, stored_bytes
from augury.activations.extract import extract, packs
from augury.config import fingerprint
from augury.errors import CheckFailed
from augury.models.doctor import DoctorReport, examine
from augury.models.load import LoadedModel, load_model
from augury.models.twins import adapter_moves_states
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.runs.paths import expand
from augury.runs.progress import say
from augury.studies.introspection.answers import read_answers, record_answers
from augury.studies.introspection.collection import (
    Collection,
    answers_path,
    items_path,
    prompts_paths,
    rows_at,
    store_path,
)
from augury.studies.introspection.config import LETTERS, IntrospectionConfig, PassName
from augury.studies.introspection.head_check import check_head
from augury.studies.introspection.items import make_items
from augury.studies.introspection.job import Job, as_model, model_of, prepared, spans_of
from augury.studies.reading import sample_of
from augury.traces.sealed import write_sealed
from augury.traces.table import write_traces
from augury.traces.tokens import write_tokenised

__all__ = ["COLLECTED", "SYMBOLS", "collect", "cost", "examine_passes", "head_lines"]

COLLECTED = "data/collected.json"
SYMBOLS = "data/symbols.json"
_EXAMINED = 24


def collect(run: Run, config: IntrospectionConfig) -> dict[str, object]:
    """Collect, or go on where an interrupted run stopped; what is finished is kept.

    Raises:
        CheckFailed: States are not what the model computes, or (with `gate.refuse`) a pass has too
            little probability on its symbols.
    """
    job = prepared(config)
    warnings = _warnings(config)
    for line in (*warnings, *job.gathered.repairs, *_size(job)):
        say(line)
    _write_inputs(run, job)
    _examine(run, job)
    told: dict[str, dict[str, object]] = {}
    for model in config.models:
        with as_model(model, job.loaded) as asked:
            for pass_ in config.passes:
                told[f"{model} {pass_}"] = _collect_pass(run, job, asked, model, pass_)
    facts = {
        "questions": len(job.gathered.questions),
        "groups": len({question.group for question in job.gathered.questions}),
        "left_out": [f"{name}: {why}" for name, why in job.gathered.left_out],
        "repairs": list(job.gathered.repairs),
        "warnings": warnings,
        "sites": list(job.readings[config.passes[0]].plan.sites),
        "collected": told,
    }
    write_json(run.path / COLLECTED, facts)
    return {name: facts[name] for name in ("questions", "groups", "warnings", "collected")}


def cost(config: IntrospectionConfig) -> Estimate:
    """What collecting will cost: states, and the answers, which are read once more."""
    job = prepared(config)
    found = [estimate(job.loaded, job.readings[pass_]) for pass_ in config.passes]
    times = len(config.models)
    return Estimate(
        rows=times * sum(each.rows for each in found),
        sites=found[0].sites,
        tokens=2 * times * sum(each.tokens for each in found),
        bytes=times * sum(each.bytes for each in found),
        flops=2 * times * sum(each.flops for each in found),
        seconds=2 * times * sum(each.seconds for each in found),
        tried=sum(each.tried for each in found),
        memory=max(each.memory for each in found),
        device=found[0].device,
    )


def examine_passes(config: IntrospectionConfig) -> Sequence[str]:
    """Run the doctor on a few prompts of every pass, without starting a run.

    Raises:
        CheckFailed: A check failed; the message names it.
    """
    limit = min(_EXAMINED, config.questions.limit or _EXAMINED)
    few = config.questions.model_copy(update={"limit": limit})
    job = prepared(config.model_copy(update={"questions": few}))
    lines = []
    for name, report in _reports(job).items():
        report.raise_if_failed()
        lines += [f"{name}: {line}" for line in report.lines()]
    return lines


def _size(job: Job) -> list[str]:
    rows = sum(len(of.token) for reading in job.readings.values() for of in reading.rows)
    size = sum(stored_bytes(job.loaded, reading) for reading in job.readings.values())
    tokens = sum(len(prompt.tokens) for of in job.prompts.values() for prompt in of)
    models = len(job.config.models)
    return [
        f"{len(job.gathered.questions)} questions, {len(job.prompts)} passes, {models} model(s): "
        f"{models * tokens:,} tokens, {models * rows:,} rows of "
        f"{len(job.readings[job.config.passes[0]].plan.sites)} sites, {models * size / 1e9:.3f} GB "
        "(augury estimate --study introspection says how long it takes)"
    ]


def _warnings(config: IntrospectionConfig) -> list[str]:
    shared = sorted(set(LETTERS) & set(config.confidence.symbols))
    if not shared or not set(config.passes) & {"self", "other"}:
        return []
    return [
        f"warning: {', '.join(shared)} stand for answers and for confidence: what a letter gets as "
        "confidence may be what it gets as an answer"
    ]


def _write_inputs(run: Run, job: Job) -> None:
    write_json(run.path / SYMBOLS, {name: list(ids) for name, ids in job.symbols.ids.items()})
    for pass_, prompts in job.prompts.items():
        traces, tokens = prompts_paths(run, pass_)
        write_traces(traces, [prompt.trace for prompt in prompts])
        write_tokenised(tokens, [prompt.tokens for prompt in prompts])


def _examine(run: Run, job: Job) -> None:
    for name, report in _reports(job).items():
        write_json(run.path / "data" / f"doctor-{name}.json", [asdict(c) for c in report.checks])
        for line in report.lines():
            say(f"{name}: {line}")
        report.raise_if_failed()


def _reports(job: Job) -> dict[str, DoctorReport]:
    """The doctor on a sample of the prompts of the last pass, for each model."""
    pass_ = job.config.passes[-1]
    reading = job.readings[pass_]
    texts = {prompt.trace.id: prompt.trace for prompt in job.prompts[pass_]}
    sample = sample_of(reading.traces)
    traces = [texts[part.trace_id] for part in sample]
    packed = packs(job.loaded, reading.plan)
    reports = {}
    for model in job.config.models:
        with as_model(model, job.loaded) as asked:
            reports[model] = examine(asked, sample, reading.plan, packed=packed, texts=traces)
    if "adapter" in reports and job.config.only == "both":
        ids = [part.ids for part in sample]
        moves = adapter_moves_states(job.loaded, ids, reading.plan.sites, packed=packed)
        reports["adapter"] = DoctorReport((*reports["adapter"].checks, moves))
    return reports


def _collect_pass(
    run: Run, job: Job, asked: LoadedModel, model: str, pass_: PassName
) -> dict[str, object]:
    config, prompts, reading = job.config, job.prompts[pass_], job.readings[pass_]
    store = extract(
        asked,
        reading.traces,
        reading.plan,
        store_path(run, model, pass_),
        spans=spans_of(prompts, reading.traces, reading.plan),
        facts={"pass": pass_},
    )
    options = job.options(pass_)
    answers = record_answers(
        asked,
        [prompt.tokens.ids.tolist() for prompt in prompts],
        options,
        answers_path(run, model, pass_),
        batch_tokens=config.states.batch_tokens,
        what=f"asking {model}, {pass_}",
    )
    final = [prompt.positions[-1] for prompt in prompts]
    head = check_head(asked, store, rows_at(store, np.array(final)), options, answers)
    say(f"{model} {pass_}: {head.line()}")
    items = make_items(
        job.gathered.questions,
        prompts,
        answers,
        pass_,
        {**_identity(asked, model, config), "template_hash": _template(asked, pass_, config)},
        config,
        partial(_text_of, asked.tokenizer),
    )
    write_sealed(items_path(run, model, pass_), items)
    gated = _gate(items, model, pass_, config)
    return {
        "head_rows": head.rows,
        "head_worst": head.worst,
        "head_bound": head.bound,
        "gated": gated,
        "option_mass": float(items["option_mass"].mean()),  # type: ignore[arg-type]
        "store_rows": store.n_rows,
    }


def _gate(items: pl.DataFrame, model: str, pass_: str, config: IntrospectionConfig) -> int:
    gated = int(items["gated"].sum())
    if gated:
        told = (
            f"{model} {pass_}: the symbols hold less than {config.gate.least_mass:g} of the "
            f"probability in {gated} of {len(items)} questions"
        )
        say(f"warning: {told}")
        if config.gate.refuse and 2 * gated > len(items):
            raise CheckFailed(
                f"{model} {pass_}",
                found=told.partition(": ")[2],
                expected="answers that the model would give",
                fix="ask in the model's own format, or set gate.refuse=false to collect anyway",
            )
    return gated


def _identity(asked: LoadedModel, model: str, config: IntrospectionConfig) -> dict[str, str]:
    adapter = config.model.adapter if model == "adapter" else None
    return {
        "model_name": config.model.name,
        "checkpoint_id": adapter or asked.identity["revision"] or asked.identity["weights"],
        "weights_hash": asked.identity["weights"],
        "adapter_hash": asked.identity["adapter"],
        "dataset_revision": _revision(config),
    }


def _template(asked: LoadedModel, pass_: PassName, config: IntrospectionConfig) -> str:
    """Of all that stands around a question: our template, the option's line, the chat template."""
    style = config.prompting.style
    chat = asked.tokenizer.chat_template if style == "chat" else None
    return fingerprint([style, config.prompting.option, getattr(config.prompting, pass_), chat])


def _text_of(tokenizer: Any, ids: Sequence[int]) -> str:
    """Text of ids; of a blank that some tokenizers swallow, the vocabulary's own string."""
    text = str(
        tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    )
    return text or "".join(map(str, tokenizer.convert_ids_to_tokens(list(ids))))


def _revision(config: IntrospectionConfig) -> str:
    if config.questions.path is None:
        return f"organism, seed {config.questions.seed}"
    path = Path(expand(config.questions.path, "questions.path"))
    return xxhash.xxh3_128_hexdigest(path.read_bytes())


def head_lines(run: Run, config: IntrospectionConfig) -> list[str]:
    """Apply the head to every stored state again, and compare with the recorded answers.

    Raises:
        CheckFailed: A row differs by more than rounding.
    """
    collection = Collection(run)
    loaded = load_model(model_of(config))
    lines = []
    for model in config.models:
        with as_model(model, loaded) as asked:
            for pass_ in config.passes:
                store = collection.store(model, pass_)
                rows = rows_at(store, collection.position_index(pass_, "final"))
                answers = read_answers(answers_path(run, model, pass_))
                head = check_head(asked, store, rows, collection.option_ids(pass_), answers)
                lines.append(f"{model} {pass_}: {head.line()}")
    return lines
