"""`augury.view`: any text, any saved probes, from Python."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.report.test_token_view import scores_of, unpacked

import augury
from augury.errors import ConfigError, DataError, MissingInput
from augury.probes.bundle import load_bundle
from augury.runs.folder import Run
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.rows import load_rows
from augury.studies.backtracking_lag.study import STUDY


def payload(html: str) -> Any:
    return json.loads(re.findall(r'id="data">(.*?)</script>', html, re.S)[0])


def test_a_chain_read_anew_shows_what_its_run_has_stored(
    small_run: Run, small_config: BacktrackingLagConfig
) -> None:
    """The run's own page is made of stored scores, this one of the model, text and bundles."""
    rows = load_rows(small_run)
    name = next(
        key
        for key, trace in rows.traces.items()
        if "backtracking" in {s.label for s in trace.spans}
    )
    stored = STUDY.view(small_run, small_config, [name])
    made = augury.view(rows.traces[name], small_run.path / "probes", painted="state")
    ours, theirs = payload(made.html), payload(stored.html)
    (trace,), (other,) = ours["traces"], theirs["traces"]
    assert trace["pieces"] == other["pieces"] and trace["sentences"] == other["sentences"]
    place = {(s["site"], s["horizon"]): n for n, s in enumerate(theirs["series"])}
    assert len(ours["series"]) == len(place) == 9
    for number, series in enumerate(ours["series"]):
        there = place[series["site"], series["horizon"]]
        assert series["threshold"] == pytest.approx(theirs["series"][there]["threshold"], abs=1e-6)
        np.testing.assert_allclose(
            scores_of(made)[number], scores_of(stored)[there], atol=2e-3, equal_nan=True
        )
        np.testing.assert_array_equal(
            unpacked(trace["truth"][number]), unpacked(other["truth"][there])
        )
    np.testing.assert_array_equal(
        unpacked(trace["events"]["backtracking"]), unpacked(other["events"]["backtracking"])
    )
    sites = [series["site"] for series in ours["series"]]
    assert sites == sorted(sites, key=("resid.1", "resid.3", "final").index)
    first = ours["series"][ours["first"]]
    assert first["horizon"] == 4


def test_plain_text_and_single_probes_will_do_and_long_texts_are_read_in_windows(
    small_run: Run,
) -> None:
    folder = small_run.path / "probes/backtracking/resid.3_h+4"
    text = "Tom has 3 coins. Wait, let me check that again. " * 40
    pages = [
        augury.view(text, given, context=context)
        for given, context in ((folder, None), ([load_bundle(folder)], None), (str(folder), 64))
    ]
    assert all("".join(payload(p.html)["traces"][0]["pieces"]) == text for p in pages)
    assert pages[0].html == pages[1].html
    whole, windows = scores_of(pages[0])[0], scores_of(pages[2])[0]
    np.testing.assert_allclose(windows[:64], whole[:64], atol=1e-3)
    assert np.isfinite(windows[1:]).all() and np.abs(windows - whole)[64:].max() > 1e-3


def test_what_cannot_be_shown_is_refused(small_run: Run, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no saved probe"):
        augury.view("text", tmp_path)
    probe, card = load_bundle(small_run.path / "probes/backtracking/resid.3_h+4")
    with pytest.raises(DataError, match="none of them calibrated"):
        augury.view("text", [(probe, card.model_copy(update={"calibration": None}))])
    other = card.model_copy(update={"model_identity": {**card.model_identity, "weights": "0"}})
    with pytest.raises(ConfigError, match="fitted on another model"):
        augury.view("text", [(probe, other)])
