"""A saved kind scores as before in a new process, and a card that does not fit is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xxhash
from safetensors.numpy import load, save

from augury.errors import ConfigError, DataError, StorageError
from augury.probes.bundle import LinearProbe, load_bundle, save_bundle
from augury.probes.kind_bundle import load_kind, save_kind
from augury.probes.kinds import KINDS, fit_kind
from probes.test_bundle import IDENTITY, card
from probes.test_kinds import quick, task

SPAN_CARD = {"horizon": 0, "lag": 0, "target": "binary"}


def resign(folder: Path, tensors: dict[str, np.ndarray]) -> None:
    """Put other tensors under a card whose checksum agrees."""
    data = save(tensors)
    (folder / "probe.safetensors").write_bytes(data)
    stored = json.loads((folder / "card.json").read_text())
    stored["weights_checksum"] = xxhash.xxh3_128_hexdigest(data)
    (folder / "card.json").write_text(json.dumps(stored))


@pytest.mark.parametrize("name", ["ordinal", "attention", "mlp", "ema"])
def test_a_new_process_reproduces_every_score_bit_for_bit(name: str, tmp_path: Path) -> None:
    planted = task(KINDS[name].targets[0])
    fitted = fit_kind(name, planted, settings=quick(name), seeds=(0, 3))  # type: ignore[arg-type]
    save_kind(tmp_path / "probe", fitted, card(**SPAN_CARD))
    np.savez(tmp_path / "spans.npz", tokens=planted.spans.tokens, offsets=planted.spans.offsets)
    code = (
        "import sys, numpy as np; from pathlib import Path;"
        "from augury.probes.kind_bundle import load_kind;"
        "from augury.probes.spans import Spans; folder = Path(sys.argv[1]);"
        "fitted, _ = load_kind(folder / 'probe'); stored = np.load(folder / 'spans.npz');"
        "spans = Spans(stored['tokens'], stored['offsets']);"
        "np.save(folder / 'scores.npy', fitted.score(spans))"
    )
    source = str(Path(__file__).resolve().parents[2] / "src")
    subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {source!r}); {code}", tmp_path],
        check=True,
    )
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), fitted.score(planted.spans))
    again, found = load_kind(tmp_path / "probe", model_identity=IDENTITY)
    assert (again.kind, again.settings, again.members) == (name, fitted.settings, fitted.members)
    np.testing.assert_array_equal(again.validation, fitted.validation)
    assert found.pooling == ("mean" if name in ("ordinal", "mlp") else "tokens")


def test_another_model_is_refused_as_for_every_bundle(tmp_path: Path) -> None:
    save_kind(tmp_path, fit_kind("lda", task("binary")), card(**SPAN_CARD))
    with pytest.raises(ConfigError, match="weights: stored 'aa' / now 'zz'"):
        load_kind(tmp_path, model_identity=IDENTITY | {"weights": "zz"})


def test_probes_on_tokens_and_on_spans_are_not_taken_for_each_other(tmp_path: Path) -> None:
    save_kind(tmp_path / "spans", fit_kind("lda", task("binary")), card(**SPAN_CARD))
    with pytest.raises(DataError, match=r"a probe on spans \(lda\).*load_kind"):
        load_bundle(tmp_path / "spans")
    save_bundle(tmp_path / "tokens", LinearProbe(np.ones(3, np.float32), 0.0), card())
    with pytest.raises(DataError, match="load_bundle"):
        load_kind(tmp_path / "tokens")


def test_weights_that_do_not_fit_the_card_are_refused(tmp_path: Path) -> None:
    fitted = fit_kind("mlp", task("binary"), settings=quick("mlp"))  # type: ignore[arg-type]
    save_kind(tmp_path, fitted, card(**SPAN_CARD))
    tensors = load((tmp_path / "probe.safetensors").read_bytes())
    for name, broken in (
        ("net.value", tensors["net.value"][:, :-1]),
        ("net.value", tensors["net.value"].astype(np.float64)),
        ("mean", tensors["mean"][0]),
        ("unknown", np.zeros(1)),
    ):
        resign(tmp_path, tensors | {name: np.ascontiguousarray(broken)})
        with pytest.raises(StorageError, match="tensor"):
            load_kind(tmp_path)
    resign(tmp_path, {name: tensor for name, tensor in tensors.items() if name != "net.mix"})
    with pytest.raises(StorageError, match=r"tensor net\.mix: nothing"):
        load_kind(tmp_path)
    resign(tmp_path, tensors)
    load_kind(tmp_path)


@pytest.mark.parametrize(
    "changes", [{"probe": "pickle"}, {"settings": {"depth": -1}}, {"settings": {"nets": 3}}]
)
def test_a_hostile_card_is_one_clear_error(changes: dict[str, object], tmp_path: Path) -> None:
    fitted = fit_kind("mlp", task("binary"), settings=quick("mlp"))  # type: ignore[arg-type]
    save_kind(tmp_path, fitted, card(**SPAN_CARD))
    stored = json.loads((tmp_path / "card.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps(stored | changes))
    with pytest.raises(DataError, match="expected a probe on spans"):
        load_kind(tmp_path)
