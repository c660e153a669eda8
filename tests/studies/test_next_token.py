from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.special import expit
from tests.report.test_token_view import scores_of, unpacked
from tests.studies.conftest import SMALL_BOOKS as SMALL

from augury.activations.store import Store
from augury.errors import ConfigError, DataError, MissingInput, UsageError
from augury.evaluate.stored import read_results
from augury.evaluate.tripwires import raise_if_tripped
from augury.models.load import load_model, load_tokenizer
from augury.models.source import find_model
from augury.runs.folder import Run
from augury.studies.next_token.activations import STORE
from augury.studies.next_token.books import gather_books
from augury.studies.next_token.config import NextTokenConfig
from augury.studies.next_token.inspect import INSPECTION, read_inspection
from augury.studies.next_token.judge import CELLS, CSV, SITES
from augury.studies.next_token.prepare import FACTS, SPLIT, target_ids
from augury.studies.next_token.report import conclude, sweep_lines
from augury.studies.next_token.rows import load_rows
from augury.studies.next_token.sites import PROBE, read_sites
from augury.studies.next_token.study import STUDY
from augury.studies.next_token.train import CEILING, FITS, SCORES
from augury.studies.scores import read_scores
from augury.traces.tokens import tokenise

LABEL = "' 7'"


@pytest.fixture
def run(next_run: Run) -> Run:
    return next_run


@pytest.fixture
def config(next_config: NextTokenConfig) -> NextTokenConfig:
    return next_config


def test_every_token_of_every_passage_is_read_once_and_asked_about_the_next_one(
    run: Run, config: NextTokenConfig
) -> None:
    """Labels come out of a second tokenisation of the whole passage, windows forgotten."""
    rows, tokenizer = load_rows(run, config), load_tokenizer(config.named_model)
    wanted = set(target_ids(config).values())
    labels, use = rows.labels(wanted, (1, 0))
    index = Store.open(run.path / STORE).index
    np.testing.assert_array_equal(rows.part, index["trace"])
    np.testing.assert_array_equal(rows.token, index["token"])
    longer = 0
    for number, trace in enumerate(rows.traces.values()):
        whole = tokenise(trace, tokenizer)
        ids = whole.ids[whole.first_row :]
        here = np.flatnonzero(rows.trace == number)
        np.testing.assert_array_equal(rows.ids[here], ids)
        hit = np.isin(ids, list(wanted))
        np.testing.assert_array_equal(labels[here, 1], hit)
        np.testing.assert_array_equal(labels[here, 0], np.append(hit[1:], False))
        assert not use[here[-1], 0]
        longer += len(whole) > config.books.context
    assert longer > 10, "no passage was longer than a window: nothing was tested"
    np.testing.assert_array_equal(use[:, 1], rows.token >= 64)
    assert 0.1 < use[:, 1].mean() < 0.9


def test_no_book_is_on_two_sides_and_no_window_holds_two(run: Run, config: NextTokenConfig) -> None:
    rows = load_rows(run, config)
    split = json.loads((run.path / SPLIT).read_text())
    books = [book for side in split.values() for book in side]
    assert len(books) == 60 == len(set(books))
    for book in np.unique(rows.book):
        assert len(np.unique(rows.side[rows.book == book])) == 1
    for part in rows.parts:
        assert part.group == rows.traces[part.trace_id].group and len(part.ids) <= 128


def test_probes_are_fitted_on_halves_and_judged_at_the_natural_share(
    run: Run, config: NextTokenConfig
) -> None:
    scores = read_scores(run.path / SCORES)
    assert json.loads((run.path / FITS).read_text())["fitted_share"] == [0.5, 0.5]
    rows = load_rows(run, config)
    for cell in read_results(run.path / CELLS):
        here = scores.use[LABEL][:, config.targets.horizons.index(cell.horizon)] & (rows.side == 2)
        assert cell.test.rows == int(here.sum()) and cell.test.prevalence < 0.1
        assert cell.calibration is not None


def test_the_ceiling_is_the_models_own_probability(run: Run, config: NextTokenConfig) -> None:
    """Computed once more by transformers alone, on a window, from its ids."""
    rows, scores = load_rows(run, config), read_scores(run.path / SCORES)
    loaded = load_model(config.named_model)
    (target,) = target_ids(config).values()
    number = int(np.argmax([len(part.ids) for part in rows.parts]))
    with torch.no_grad():
        ids = torch.tensor(rows.parts[number].ids[None].astype(np.int64))
        own = loaded.model(ids).logits[0].softmax(-1)[:, target].double().numpy()
    at = np.flatnonzero(rows.part == number)
    stored = expit(scores.references[LABEL, CEILING][at, 0].astype(np.float64))
    np.testing.assert_allclose(stored, own[rows.token[at]], atol=1e-5)
    assert own.max() > 0.2


def test_the_next_token_is_read_beside_bigram_ceiling_and_agreement(run: Run) -> None:
    for site in read_sites(run.path / SITES):
        wanted = {PROBE, "bigram"} | ({CEILING} if site.horizon == 1 else set())
        assert set(site.decisions) == wanted
        for made in site.decisions.values():
            assert made.interval is not None and made.balanced_accuracy.value is not None
        assert set(site.agreements) == ({PROBE, "bigram"} if site.horizon == 1 else set())
    rows = list(csv.DictReader((run.path / CSV).read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 4 * 2 and {"tp", "fp", "tn", "fn", "bigram_tp"} <= set(rows[0])


def test_the_current_token_is_other_data_trivial_and_said_to_be(run: Run) -> None:
    scores = read_scores(run.path / SCORES)
    labels = scores.labels[LABEL]
    assert (labels[:, 0] != labels[:, 1]).any()
    for site, cell in zip(
        read_sites(run.path / SITES), read_results(run.path / CELLS), strict=True
    ):
        if site.horizon == 0:
            low = site.site in ("embed", "resid.1")
            assert site.decisions[PROBE].balanced_accuracy.value > (0.985 if low else 0.9)
            assert cell.verdict.startswith("predictive, explained by")
    report = (run.path / "report.md").read_text()
    assert "Why this is trivial" in report and "by construction" in report


def test_the_raw_probability_promises_too_much_and_the_calibrated_one_does_not(run: Run) -> None:
    for site in read_sites(run.path / SITES):
        if site.horizon == 1:
            made = {each.name: each for each in site.stated}
            raw, corrected = made["as fitted"], made["corrected for the prevalence"]
            assert raw.interval is not None and raw.interval.low > 0.01
            assert abs(made["calibrated on validation"].excess) < raw.excess / 3
            assert abs(corrected.excess) < raw.excess
            assert made["calibrated on validation"].brier.value < raw.brier.value


def test_the_command_ends_with_a_verdict_for_each_horizon(run: Run) -> None:
    lines = conclude(run)
    verdicts = [line for line in lines if line.startswith("verdict")]
    assert len(verdicts) == 2 and verdicts[0].startswith("verdict the next token ' 7': ")
    assert any("the model itself" in line for line in lines)
    assert lines[-1].endswith("report.html")
    table = sweep_lines(run)
    assert sum(line.startswith(("embed", "resid.1", "resid.4", "final")) for line in table) == 8


def test_tripwires_pass_and_saved_probes_and_results_are_reproduced(
    run: Run, config: NextTokenConfig
) -> None:
    raise_if_tripped(STUDY.tripwires(run))
    assert "8 probes reproduce" in STUDY.verify(run, config)[0]
    assert STUDY.judge is not None and len(STUDY.judge(run, config)) == 8


def test_inspection_tells_balance_samples_ids_and_finite_states(run: Run) -> None:
    lines = read_inspection(run)
    text = "\n".join(lines)
    facts = json.loads((run.path / FACTS).read_text())
    assert lines[0].startswith(f"60 books, {facts['passages']} passages")
    assert sum(line.startswith("with    ") for line in lines) == 5
    assert sum(line.startswith("without ") for line in lines) == 5
    for line in lines:
        if line.startswith("with    "):
            assert re.search(r"\] 7\b", line), line
        elif line.startswith("without "):
            assert not re.search(r"\] 7\b", line), line
    assert text.count("ok  ") == 5 and "FAIL" not in text
    found = json.loads((run.path / INSPECTION).read_text())
    assert {row["side"] for row in found["balance"]} == {"train", "validation", "test"}
    assert all(value > 0 for value in found["largest_states"].values())


def test_another_target_reads_nothing_again(run: Run, config: NextTokenConfig) -> None:
    targets = config.targets.model_copy(update={"tokens": (" 7", " 8")})
    plan = STUDY.plan(run, config.model_copy(update={"targets": targets}))
    status = {planned.name: planned.status for planned in plan}
    assert status["prepare"] == status["read"] == "done"
    assert status["train"] == status["judge"] == status["inspect"] == "to run"
    assert all(result.skipped for result in STUDY.execute(run, config))


def payload(html: str) -> Any:
    return json.loads(re.findall(r'id="data">(.*?)</script>', html, re.S)[0])


def test_the_view_paints_the_predicted_token_and_carries_the_stored_scores(
    run: Run, config: NextTokenConfig
) -> None:
    """The page reads its text anew; what it shows is what the run has stored."""
    rows, scores = load_rows(run, config), read_scores(run.path / SCORES)
    number = int(rows.trace[np.flatnonzero(scores.labels[LABEL][:, 1])[0]])
    name = list(rows.traces)[number]
    page = STUDY.view(run, config, [name])
    data = payload(page.html)
    assert data["painted"] == "predicted" and [t["title"] for t in data["traces"]] == [name]
    shown = scores_of(page)
    at = np.flatnonzero(rows.trace == number)
    results = {(c.site, c.horizon): c for c in read_results(run.path / CELLS)}
    for series, values in zip(data["series"], shown, strict=True):
        cell = results[series["site"], series["horizon"]]
        column = config.targets.horizons.index(cell.horizon)
        stored = cell.calibration.probability(scores.probes[LABEL, cell.site][at, column])
        np.testing.assert_allclose(values[-len(at) :], stored, atol=1e-4)
    flags = unpacked(data["traces"][0]["events"][LABEL])
    np.testing.assert_array_equal(flags[-len(at) :] & 1, scores.labels[LABEL][at, 1])
    with pytest.raises(UsageError, match="no such passage"):
        STUDY.view(run, config, ["no such passage"])


def test_any_text_file_can_be_viewed(run: Run, config: NextTokenConfig, tmp_path: Path) -> None:
    text = "Tom has 3 coins in the box. " * 30
    (tmp_path / "mine.txt").write_text(text)
    wanted = config.view.model_copy(update={"source": "file", "path": str(tmp_path / "mine.txt")})
    page = STUDY.view(run, config.model_copy(update={"view": wanted}), [])
    (trace,) = payload(page.html)["traces"]
    assert "".join(trace["pieces"]) == text.strip()


def test_the_models_own_choice_can_be_the_target(run: Run, tmp_path: Path) -> None:
    settings = (*SMALL, "targets.labels=model", "targets.horizons=[1]")
    config = STUDY.read_config(None, settings)
    made = STUDY.start(tmp_path, config, "own")
    STUDY.execute(made, config)
    scores, text = read_scores(made.path / SCORES), read_scores(run.path / SCORES)
    own, there = scores.labels[LABEL][:, 0], text.labels[LABEL][:, 0]
    assert own.any() and (own != there).any()
    odds = scores.references[LABEL, CEILING][scores.use[LABEL][:, 0], 0]
    chosen = own[scores.use[LABEL][:, 0]]
    # The likeliest token has at least its share of a vocabulary, and more than half always wins.
    assert chosen[odds > 0].all() and not chosen[odds < np.log(1 / 930)].any()
    with pytest.raises(ConfigError, match="horizons"):
        STUDY.read_config(None, (*SMALL, "targets.labels=model"))


@pytest.mark.parametrize(
    ("override", "error", "found"),
    [
        ("targets.tokens=[' antidisestablishment']", DataError, "one token of this model"),
        ("books.context=2048", ConfigError, "model's context of 1024"),
        ("books={source: files, path: /nowhere/books}", MissingInput, "/nowhere/books"),
        ("books={source: files, path: $NOT_SET_ANYWHERE/x}", MissingInput, "NOT_SET_ANYWHERE"),
        ("books.limit=2", DataError, "at least 3 groups"),
        ("model.dtype=float16", ConfigError, "float16 ends at 65,504"),
        ("reading.sites=[resid.9]", ConfigError, "blocks"),
    ],
)
def test_a_job_that_cannot_be_is_refused_and_says_why(
    override: str, error: type[Exception], found: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=re.escape(found)):
        config = STUDY.read_config(None, (*SMALL, override))
        STUDY.execute(STUDY.start(tmp_path, config, "bad"), config)


def test_a_model_whose_states_overflow_float16_is_told_by_inspect_and_refused_by_read(
    tmp_path: Path,
) -> None:
    """Its embeddings are so large that its norms undo it: the same model, in larger numbers."""
    folder = tmp_path / "large"
    shutil.copytree(find_model("organism", None), folder)
    weights = load_file(folder / "model.safetensors")
    weights["model.embed_tokens.weight"] *= 2.0**20
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    settings = (*SMALL, f"model.name={folder}", "reading.dtype=float16", "books.limit=6")
    config = STUDY.read_config(None, settings)
    made = STUDY.start(tmp_path / "runs", config, "large")
    with pytest.raises(ConfigError, match=r"embed.*at most 65504.*bfloat16 or float32"):
        STUDY.execute(made, config)
    lines = [line for line in read_inspection(made) if line.startswith(("embed", "final"))]
    assert lines[0].endswith("no") and lines[1].endswith("yes")


def test_few_passages_of_a_book_come_from_all_over_it(tmp_path: Path) -> None:
    text = " ".join(f"word{number}" for number in range(20_000))
    (tmp_path / "long.txt").write_text(text)
    books = STUDY.read_config(None, ()).books.model_copy(
        update={
            "source": "files",
            "path": str(tmp_path / "long.txt"),
            "passages": 4,
            "passage": 500,
        }
    )
    tokenizer = load_tokenizer(STUDY.read_config(None, ()).named_model)
    passages = gather_books(books, tokenizer).passages
    starts = [int(passage.fields["offset"]) / len(text) for passage in passages]
    np.testing.assert_allclose(starts, [1 / 8, 3 / 8, 5 / 8, 7 / 8], atol=0.01)


def test_editions_of_one_book_stay_on_one_side(tmp_path: Path) -> None:
    """Near-duplicates under other names, in a folder of real files."""
    config = STUDY.read_config(None, ())
    books = tmp_path / "books"
    books.mkdir()
    for number in range(6):
        found = config.books.model_copy(update={"limit": 1, "seed": number})
        passages = gather_books(found, load_tokenizer(config.named_model)).passages
        text = "\n\n".join(passage.completion for passage in passages)
        (books / f"{number}.txt").write_text(text)
        if number < 2:
            (books / f"{number}-second-edition.txt").write_text(text.replace("Tom", "Thomas"))
    settings = (f"books={{source: files, path: {books}}}", *SMALL[1:])
    config = STUDY.read_config(None, settings)
    made = STUDY.start(tmp_path / "runs", config, "editions")
    STUDY.execute(made, config, only="prepare")
    facts = json.loads((made.path / FACTS).read_text())
    pairs = {(p["first"], p["second"]) for p in facts["near_duplicates"]}
    assert {tuple(sorted(pair)) for pair in pairs} == {
        (f"{n}-second-edition.txt", f"{n}.txt") for n in (0, 1)
    }
    assert facts["books"] == 6
