"""Texts that are there: the same tokens, events and lens as when the model had written them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from augury.errors import ConfigError
from augury.models.generate import Sampling
from augury.models.load import ModelConfig, load_model, load_tokenizer
from augury.organism.chains import held_out_problems, sample_chains
from augury.runs.folder import Run
from augury.studies.state_transition.baseline import read_baseline
from augury.studies.state_transition.config import StateTransitionConfig
from augury.studies.state_transition.given import read_given
from augury.studies.state_transition.study import STUDY
from augury.traces.tokens import tokenise
from augury.traces.trace import Trace

ORGANISM = ModelConfig(name="organism")
GIVEN = (
    "dataset.source=texts",
    "generation.backend=given",
    "prompting.variants=[{name: as_written, style: as written}]",
    "analysis.variant=as_written",
    "analysis.draws=200",
    "ablation.neutral_text=unused.txt",
)


@pytest.fixture(scope="module")
def chains() -> list[Trace]:
    settings = Sampling(max_new_tokens=300, seed=5)
    return sample_chains(load_model(ORGANISM), held_out_problems(100, 5), settings)


def _config(path: Path, *more: str) -> StateTransitionConfig:
    return STUDY.read_config(None, (*GIVEN, f"dataset.path={path}", *more))


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _row(chain: Trace, **more: Any) -> dict[str, Any]:
    return {"id": chain.id, "prompt": chain.prompt, "completion": chain.completion, **more}


@pytest.fixture(scope="module")
def run(chains: list[Trace], tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("given")
    config = _config(_write(folder / "texts.jsonl", [_row(chain) for chain in chains]))
    made = STUDY.start(folder, config, "given")
    for stage in ("prepare-data", "generate", "detect-events", "logit-lens"):
        STUDY.execute(made, config, only=stage)
    return made


def test_the_model_is_fed_the_very_tokens_of_the_texts(run: Run, chains: list[Trace]) -> None:
    tokenizer = load_tokenizer(ORGANISM)
    wanted = {chain.prompt + chain.completion: tokenise(chain, tokenizer).ids for chain in chains}
    lines = (run.path / "data/processed/prompts.jsonl").read_text().splitlines()
    prompts = [json.loads(line) for line in lines]
    rows = read_baseline(run, "as_written")
    assert len(rows) == len(chains)
    for row, prompt in zip(rows, prompts, strict=True):
        assert [*prompt["ids"], *row.token_ids] == wanted[row.full_text].tolist()
        assert row.prompt_tokens == len(prompt["ids"])


def test_events_are_those_that_the_grammar_placed(run: Run, chains: list[Trace]) -> None:
    with (run.path / "analysis/all_events.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    strict = [row for row in found if row["source"] == "detector:strict"]
    said = sum(chain.completion.count("Wait") for chain in chains)
    assert len(strict) >= said > 10
    summary = json.loads((run.path / "analysis/summary_metrics.json").read_text())
    assert summary["by_variant"]["as_written"]["states"]["unjudged"] == len(chains)
    assert summary["by_variant"]["as_written"]["accuracy"] is None


def test_the_lens_sees_the_trigger_coming_in_texts_of_the_model_itself(run: Run) -> None:
    with (run.path / "analysis/logit_lens.csv").open(encoding="utf-8", newline="") as file:
        last = list(csv.DictReader(file))[-1]
    apart = float(last["mean_target_logit_bt"]) - float(last["mean_target_logit_control"])
    assert apart > 3


def test_answers_are_judged_where_a_number_is_known(chains: list[Trace], tmp_path: Path) -> None:
    rows = [
        _row(chain, gold=gold, done=done)
        for chain, gold, done in zip(
            chains[:30],
            [chain.fields["gold_answer"] for chain in chains[:10]] + [None] * 10 + ["x>3"] * 10,
            [True] * 29 + [False],
            strict=True,
        )
    ]
    path = _write(tmp_path / "texts.jsonl", rows)
    config = _config(path, "dataset.fields.answer=gold", "dataset.fields.finished=done")
    run = STUDY.start(tmp_path, config, "judged")
    for stage in ("prepare-data", "generate", "detect-events"):
        STUDY.execute(run, config, only=stage)
    rate = json.loads((run.path / "analysis/summary_metrics.json").read_text())["by_variant"]
    states = rate["as_written"]["states"]
    assert states["unjudged"] == 20 and states["right"] + states["wrong"] == 10
    assert rate["as_written"]["finish_reasons"] == {"stop": 29, "length": 1}


def test_long_texts_are_cut_in_front_of_a_word_and_long_prompts_left_out(
    chains: list[Trace], tmp_path: Path
) -> None:
    long = chains[0].completion * 40
    # Shifted by a few tokens each, so that the context ends at different places of its words.
    shifted = {f"long {k}": "12 " * k + long for k in range(8)}
    rows = [
        _row(chains[0], id="fits"),
        *(_row(chains[0], id=name, completion=text) for name, text in shifted.items()),
        _row(chains[0], id="prompt", prompt=long),
    ]
    texts, cut = read_given(_config(_write(tmp_path / "texts.jsonl", rows)))
    assert cut == 8 and len(texts) == 9
    (short,) = [text for text in texts if text.finished]
    assert short.completion == chains[0].completion
    context = 1024
    for text in texts:
        if text is short:
            continue
        (whole,) = [each for each in shifted.values() if each.startswith(text.completion)]
        assert context - 20 < len(text.prompt_ids) + len(text.token_ids) <= context
        assert whole[len(text.completion)].isspace()


@pytest.mark.parametrize(
    "overrides",
    [
        ("generation.backend=transformers",),
        ("dataset.source=gsm8k",),
        ("prompting.variants=[{name: as_written, style: plain}]",),
        (
            "prompting.variants=[{name: as_written, style: as written}, "
            "{name: b, style: as written}]",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(overrides: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=r"given|written|variant"):
        _config(Path("texts.jsonl"), *overrides)
