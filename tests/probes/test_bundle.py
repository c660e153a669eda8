"""A bundle gives back the same probe, refuses another model, and shows damage."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from augury.errors import (
    CannotCreate,
    ConfigError,
    DataError,
    MissingInput,
    StorageError,
    UsageError,
)
from augury.evaluate.reliability import prior_corrected
from augury.probes.bundle import Calibration, LinearProbe, ProbeCard, load_bundle, save_bundle

IDENTITY = {"weights": "aa", "tokenizer": "bb", "revision": "", "dtype": "float32", "device": "cpu"}


def card(**changes: object) -> ProbeCard:
    facts: dict[str, object] = {
        "site": "resid.3",
        "horizon": 4,
        "lag": -4,
        "target": "point",
        "label": "backtracking",
        "model_name": "organism",
        "model_identity": IDENTITY,
        "tokenizer_hash": "bb",
        "dtype": "float32",
        "threshold": 0.1,
        "calibration": Calibration(slope=0.9, intercept=-0.1),
        "scores": {"average_precision": 0.3, "reason": "é\n"},
        "training_data": {"dataset": "own generations", "on_policy": True},
        "split_groups": {"train": "11", "validation": "22", "test": "33"},
        "do_not_use_for": "other models",
        "augury_version": "0.1.0",
    }
    return ProbeCard.model_validate(facts | changes)


@pytest.fixture
def probe() -> LinearProbe:
    rng = np.random.default_rng(0)
    return LinearProbe(rng.normal(size=37).astype(np.float32), float(rng.normal()))


def test_a_new_process_reproduces_every_score_bit_for_bit(
    probe: LinearProbe, tmp_path: Path
) -> None:
    states = np.random.default_rng(1).normal(size=(200, 37)).astype(np.float32)
    np.save(tmp_path / "states.npy", states)
    folder = save_bundle(tmp_path / "probe", probe, card())
    code = (
        "import sys, numpy as np; from pathlib import Path;"
        "from augury.probes.bundle import load_bundle;"
        "probe, _ = load_bundle(Path(sys.argv[1]) / 'probe');"
        "states = np.load(Path(sys.argv[1]) / 'states.npy');"
        "np.save(Path(sys.argv[1]) / 'scores.npy', probe.score(states[::-1])[::-1])"
    )
    source = str(Path(__file__).resolve().parents[2] / "src")
    subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {source!r}); {code}", tmp_path],
        check=True,
    )
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), probe.score(states))
    assert sorted(file.name for file in folder.iterdir()) == ["card.json", "probe.safetensors"]


def test_the_card_comes_back_equal_but_for_its_checksum(probe: LinearProbe, tmp_path: Path) -> None:
    save_bundle(tmp_path, probe, card())
    loaded, found = load_bundle(tmp_path, model_identity=IDENTITY)
    assert found.weights_checksum
    assert found.model_copy(update={"weights_checksum": ""}) == card()
    np.testing.assert_array_equal(loaded.weight, probe.weight)
    assert loaded.bias == probe.bias


def test_another_model_is_refused_with_a_table_unless_forced(
    probe: LinearProbe, tmp_path: Path
) -> None:
    save_bundle(tmp_path, probe, card())
    other = IDENTITY | {"weights": "zz"}
    with pytest.raises(ConfigError, match="weights: stored 'aa' / now 'zz'") as caught:
        load_bundle(tmp_path, model_identity=other)
    assert "tokenizer: stored" not in str(caught.value)
    loaded, _ = load_bundle(tmp_path, model_identity=other, force=True)
    np.testing.assert_array_equal(loaded.weight, probe.weight)


def test_the_same_model_on_another_device_is_the_same_model(
    probe: LinearProbe, tmp_path: Path
) -> None:
    save_bundle(tmp_path, probe, card())
    load_bundle(tmp_path, model_identity=IDENTITY | {"device": "cuda", "torch": "9"})


def test_damage_and_absence_are_told_apart(probe: LinearProbe, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"card\.json: no such file"):
        load_bundle(tmp_path / "nowhere")
    save_bundle(tmp_path, probe, card())
    weights = tmp_path / "probe.safetensors"
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(data)
    with pytest.raises(StorageError, match="another checksum"):
        load_bundle(tmp_path)
    weights.unlink()
    with pytest.raises(MissingInput, match=r"probe\.safetensors"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, '{"site": 3}', "\ud800"])
def test_a_hostile_card_is_one_clear_error(text: str, probe: LinearProbe, tmp_path: Path) -> None:
    save_bundle(tmp_path, probe, card())
    (tmp_path / "card.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(DataError, match="expected a probe card"):
        load_bundle(tmp_path)


def test_weights_of_another_shape_are_refused_even_with_a_right_checksum(
    probe: LinearProbe, tmp_path: Path
) -> None:
    import xxhash
    from safetensors.numpy import save

    save_bundle(tmp_path, probe, card())
    data = save({"weight": np.zeros((2, 3), np.float32), "bias": np.zeros(1)})
    (tmp_path / "probe.safetensors").write_bytes(data)
    stored = json.loads((tmp_path / "card.json").read_text())
    stored["weights_checksum"] = xxhash.xxh3_128_hexdigest(data)
    (tmp_path / "card.json").write_text(json.dumps(stored))
    with pytest.raises(StorageError, match=r"expected weight float32\[hidden\]"):
        load_bundle(tmp_path)


def test_lag_is_always_minus_the_horizon() -> None:
    with pytest.raises(ValidationError, match="expected -horizon = -4"):
        card(lag=4)


def test_what_cannot_be_saved_is_named(probe: LinearProbe, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not finite"):
        save_bundle(tmp_path, LinearProbe(probe.weight, float("nan")), card())
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotCreate):
        save_bundle(tmp_path / "file", probe, card())


def test_probabilities_follow_the_frequency_of_events_where_the_probe_is_used() -> None:
    """Of two worlds with the same likelihoods, one with ten times fewer events."""
    rng = np.random.default_rng(0)
    for used in (0.3, 0.03):
        truth = rng.random(400_000) < used
        scores = rng.normal(np.where(truth, 1.0, -1.0), 1.0)
        fitted = Calibration(slope=2.0, intercept=float(np.log(0.3 / 0.7)), prevalence=0.3)
        stated = fitted.probability(scores, used=used)
        assert stated.mean() == pytest.approx(used, rel=0.03)
        expected = prior_corrected(fitted.probability(scores), fitted=0.3, used=used)
        np.testing.assert_allclose(stated, expected, rtol=1e-9)
    assert fitted.probability(scores).mean() > 2 * 0.03
    with pytest.raises(UsageError, match="prevalence None"):
        Calibration().probability(scores, used=0.1)
