"""A site is fitted from the store as it would be from memory, and its folds leak nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from augury.activations.store import Store
from augury.evaluate.metrics import auroc
from augury.probes.grid import fit_columns
from augury.runs.folder import Run
from augury.studies.backtracking_lag.activations import STORE
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.grid_plan import GridPlan, plan_grid
from augury.studies.backtracking_lag.ladder import baseline_facts
from augury.studies.backtracking_lag.probes import SCORES
from augury.studies.backtracking_lag.rows import RunRows, Target, load_rows, make_target
from augury.studies.backtracking_lag.site_fit import fit_site
from augury.studies.scores import Scores, read_scores
from augury.studies.splitting import SplitConfig, deal, sides

SITE = "resid.3"


@pytest.fixture(scope="module")
def rows(small_run: Run) -> RunRows:
    return load_rows(small_run)


@pytest.fixture(scope="module")
def target(rows: RunRows, small_config: BacktrackingLagConfig) -> Target:
    return make_target(rows, small_config.targets, "backtracking")


@pytest.fixture(scope="module")
def plan(rows: RunRows, target: Target, small_config: BacktrackingLagConfig) -> GridPlan:
    return plan_grid(rows, [target], small_config)


@pytest.fixture(scope="module")
def store(small_run: Run) -> Store:
    return Store.open(small_run.path / STORE)


@pytest.fixture(scope="module")
def folded(rows: RunRows, small_config: BacktrackingLagConfig) -> RunRows:
    traces = list(rows.traces.values())
    groups = list(dict.fromkeys(trace.group for trace in traces))
    dealt = deal(traces, ["backtracking"], SplitConfig(kind="folds", folds=4))
    return replace(rows, sides=sides(dealt, groups)[:, rows.group])


def test_the_store_gives_the_probes_that_memory_gives(store: Store, plan: GridPlan) -> None:
    streamed = fit_columns(store[SITE], plan.data, plan.l2)
    held = fit_columns(store[SITE].torch(), plan.data, plan.l2)
    assert streamed.converged.all() and held.converged.all()
    largest = np.abs(held.weight).max(axis=1, keepdims=True)
    assert (np.abs(streamed.weight - held.weight) / largest).max() < 1e-4
    np.testing.assert_allclose(streamed.bias, held.bias, atol=1e-3)


def test_no_more_than_a_shard_is_asked_of_the_store_at_once(
    store: Store, plan: GridPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every read goes through `Store.read`; the largest is what has to fit in memory."""
    asked: list[int] = []
    read = Store.read

    def counted(self: Store, site: str, wanted: object = None) -> object:
        found = read(self, site, wanted)  # type: ignore[arg-type]
        asked.append(len(found))
        return found

    monkeypatch.setattr(Store, "read", counted)
    fit_site(store[SITE], SITE, plan, Scores())
    most = max(len(piece) for piece in store[SITE].pieces())
    assert len(asked) > 10 and max(asked) <= most
    assert most < store.n_rows or len(list(store[SITE].pieces())) == 1


def test_training_rows_are_all_that_a_probe_is_fitted_on(
    store: Store, rows: RunRows, target: Target, small_config: BacktrackingLagConfig
) -> None:
    """Other test labels, the same probes; other validation labels may choose another strength."""
    out, again = Scores(), Scores()
    fit_site(store[SITE], SITE, plan_grid(rows, [target], small_config), out)
    test = (rows.side == 2)[:, None]
    other = replace(target, labels=np.where(test, ~target.labels & target.use, target.labels))
    fit_site(store[SITE], SITE, plan_grid(rows, [other], small_config), again)
    np.testing.assert_array_equal(
        out.probes["backtracking", SITE], again.probes["backtracking", SITE]
    )


def test_labels_of_a_tested_group_do_not_move_its_scores(
    store: Store, folded: RunRows, target: Target, small_config: BacktrackingLagConfig
) -> None:
    out, again = Scores(), Scores()
    fit_site(store[SITE], SITE, plan_grid(folded, [target], small_config), out)
    tested = folded.sides[1] == 2
    flipped = np.where(tested[:, None], ~target.labels & target.use, target.labels)
    other = replace(target, labels=flipped)
    fit_site(store[SITE], SITE, plan_grid(folded, [other], small_config), again)
    key = ("backtracking", SITE)
    for name in ("probes", "called"):
        before, after = getattr(out, name)[key], getattr(again, name)[key]
        # columns that share a fit are rounded together, hence not bit for bit
        np.testing.assert_allclose(
            before[tested].astype(float), after[tested].astype(float), atol=2e-3
        )
    assert np.abs(out.probes[key] - again.probes[key])[~tested].max() > 0.1
    use = target.use[:, 1]
    value = auroc(target.labels[use, 1], out.probes[key][use, 1]).value
    assert value is not None and value > 0.6


def test_control_task_is_the_same_label_for_every_occurrence_of_a_token(
    rows: RunRows, plan: GridPlan, target: Target
) -> None:
    ids = rows.gather([part.ids for part in rows.parts])
    for horizon in range(3):
        labels = plan.control[:, horizon]
        for token in np.unique(ids)[:50]:
            assert len(np.unique(labels[ids == token])) == 1
    chosen = [n for n in plan.numbers("probe") if plan.columns[n].l2 == 0.003]
    data, l2 = plan.control_task(chosen)
    assert l2.tolist() == [0.003] * 3
    labels, weights = data.read(np.arange(len(ids)), np.arange(3))
    np.testing.assert_array_equal(labels.T, plan.control)
    np.testing.assert_array_equal(weights.T > 0, target.use & (rows.side == 0)[:, None])


def test_every_rung_is_judged_drawn_and_named_in_the_report(small_run: Run) -> None:
    ladder = {
        "prevalence",
        "position_rank",
        "position",
        "last_three_tokens",
        "ngrams",
        "tfidf",
        "text",
        "earlier_events",
        "category",
        "own_probability",
    }
    scores = read_scores(small_run.path / SCORES)
    assert {name for _, name in scores.baselines} == ladder
    drawn = (small_run.figures / "lineplot_average_precision.csv").read_text(encoding="utf-8")
    table = (small_run.results / "probe_results.csv").read_text(encoding="utf-8").splitlines()[0]
    report = (small_run.path / "report.md").read_text(encoding="utf-8").replace("\\", "")
    for name in ladder:
        assert f"{name}," in drawn and name in report
        assert f"baseline_{name}_difference_low_simultaneous" in table
    assert {"selectivity", "selectivity_low", "control_task_auroc"} <= set(table.split(","))
    assert "Against a control task" in report and "Stated and observed" in report
    assert (small_run.figures / "reliability.png").stat().st_size > 0


def test_no_rung_is_told_an_event_at_the_token_or_after_it(
    rows: RunRows, target: Target, small_config: BacktrackingLagConfig
) -> None:
    """Events that start at t or later, whatever the horizon, leave the facts of row t alone."""
    before = baseline_facts(rows, target, small_config)
    at = int(np.flatnonzero(rows.part == 7)[40])
    part, token = int(rows.part[at]), int(rows.token[at])
    events = list(target.events)
    past = np.arange(len(events[part].onset)) < token
    events[part] = replace(
        events[part],
        onset=np.where(past, events[part].onset, ~events[part].onset),
        inside=np.where(past, events[part].inside, True),
    )
    after = baseline_facts(rows, replace(target, events=events), small_config)
    for name in ("since_event", "earlier_events", "recent_events"):
        known, told = getattr(before, name), getattr(after, name)
        np.testing.assert_array_equal(known[: at + 1], told[: at + 1], err_msg=name)
        assert (known != told).any(), name


def test_a_run_with_folds_judges_every_row_and_reproduces_itself(
    small_run: Run, small_config: BacktrackingLagConfig, tmp_path: Path
) -> None:
    import shutil

    from augury.studies.backtracking_lag.study import STUDY

    shutil.copytree(small_run.path, tmp_path / "folds")
    run = Run(tmp_path / "folds")
    config = small_config.model_copy(update={"split": SplitConfig(kind="folds", folds=3)})
    STUDY.execute(run, config)
    results = STUDY.judge(run, config)  # type: ignore[misc]
    scores = read_scores(run.path / SCORES)
    for cell in results:
        number = config.targets.horizons.index(cell.horizon)
        assert cell.test.rows == scores.use[cell.label][:, number].sum()
        assert cell.train.rows == 0 and cell.validation.rows == cell.test.rows
        assert cell.selectivity is not None and cell.reliability
    assert "9 probes reproduce" in STUDY.verify(run, config)[0]
    report = (run.path / "report.md").read_text(encoding="utf-8")
    assert "dealt into 3 folds" in report
