"""Probes through a server of a hub's endpoints: the same bytes come back, and no others."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

from augury.errors import (
    CannotCreate,
    ConfigError,
    MissingInput,
    StorageError,
    Unsafe,
    UsageError,
)
from augury.probes.bundle import LinearProbe, load_bundle, save_bundle
from augury.probes.hub import find_bundles, pull_bundles, push_bundles
from probes.hub_server import Hub, serve
from probes.test_bundle import IDENTITY, card

REPO = "someone/probes"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve(tmp_path / "hub") as (address, found):
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield found


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    """Two probes, one of them two folders down."""
    for seed, name in enumerate(("a", "deep/er")):
        weight = np.random.default_rng(seed).normal(size=24).astype(np.float32)
        save_bundle(tmp_path / "mine" / name, LinearProbe(weight, 0.5 + seed), card())
    return tmp_path / "mine"


def push(folder: Path, repo: str = REPO) -> str:
    return push_bundles(folder, list(find_bundles(folder)), repo, readme="# Probes\n")


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_was_pushed_comes_back_byte_for_byte_and_scores_alike(
    hub: Hub, bundles: Path, tmp_path: Path
) -> None:
    commit = push(bundles)
    found = pull_bundles(REPO, tmp_path / "theirs", model_identity=IDENTITY)
    assert found.commit == commit
    assert found.left == [".gitattributes", "README.md"]
    assert files_below(tmp_path / "theirs") == files_below(bundles)
    assert not [p for p in (tmp_path / "theirs").rglob("*") if p.is_symlink()]
    probe, told = load_bundle(tmp_path / "theirs" / "deep" / "er", model_identity=IDENTITY)
    states = np.random.default_rng(5).normal(size=(10, 24)).astype(np.float32)
    mine, _ = load_bundle(bundles / "deep" / "er")
    np.testing.assert_array_equal(probe.score(states), mine.score(states))
    assert told.label == "backtracking"


def test_a_folder_in_the_layout_of_the_hub_loads_where_it_lies(hub: Hub, bundles: Path) -> None:
    push(bundles)
    folder = hub.folder(REPO)
    assert folder is not None
    probe, _ = load_bundle(folder / "a", model_identity=IDENTITY)
    np.testing.assert_array_equal(probe.weight, load_bundle(bundles / "a")[0].weight)


def test_an_older_commit_is_pulled_by_its_name(hub: Hub, bundles: Path, tmp_path: Path) -> None:
    first = push(bundles)
    save_bundle(bundles / "a", LinearProbe(np.zeros(24, np.float32), 9.0), card())
    assert push(bundles) != first
    pull_bundles(REPO, tmp_path / "old", revision=first)
    pull_bundles(REPO, tmp_path / "new")
    assert load_bundle(tmp_path / "old" / "a")[0].bias == 0.5
    assert load_bundle(tmp_path / "new" / "a")[0].bias == 9.0
    with pytest.raises(MissingInput, match="no such revision"):
        pull_bundles(REPO, tmp_path / "none", revision="v9")


def test_probes_of_another_model_are_refused_before_a_file_gets_its_name(
    hub: Hub, bundles: Path, tmp_path: Path
) -> None:
    push(bundles)
    with pytest.raises(ConfigError, match=r"(?s)another model.*weights.*aa.*zz"):
        pull_bundles(REPO, tmp_path / "theirs", model_identity=IDENTITY | {"weights": "zz"})
    assert files_below(tmp_path / "theirs") == {}


def test_nothing_but_cards_and_weights_is_fetched(hub: Hub, bundles: Path, tmp_path: Path) -> None:
    push(bundles)

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "owned"),)

    hub.commit(REPO, {"a/probe.pkl": pickle.dumps(Evil()), "a/pytorch_model.bin": b"x"})
    found = pull_bundles(REPO, tmp_path / "theirs")
    assert {"a/probe.pkl", "a/pytorch_model.bin"} <= set(found.left)
    assert not [name for name in hub.served if name.endswith((".pkl", ".bin"))]
    assert sorted(files_below(tmp_path / "theirs")) == sorted(files_below(bundles))
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["a/probe.safetensors", "a/card.json"])
def test_bytes_that_are_not_those_of_the_listing_are_refused(
    name: str, hub: Hub, bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the right size, so that only a hash can tell."""
    push(bundles)
    honest = Hub.listing

    def lying(self: Hub, folder: Path) -> dict[str, object]:
        told = honest(self, folder)
        file = folder / name
        data = bytearray(file.read_bytes())
        data[-2] ^= 1
        file.write_bytes(data)
        return told

    monkeypatch.setattr(Hub, "listing", lying)
    with pytest.raises(StorageError, match="another"):
        pull_bundles(REPO, tmp_path / "theirs")
    assert files_below(tmp_path / "theirs") == {}


def test_a_card_that_does_not_sign_its_weights_is_refused(
    hub: Hub, bundles: Path, tmp_path: Path
) -> None:
    push(bundles)
    hub.commit(REPO, {"a/probe.safetensors": (bundles / "deep/er/probe.safetensors").read_bytes()})
    with pytest.raises(StorageError, match="another checksum than the card's"):
        pull_bundles(REPO, tmp_path / "theirs")
    assert files_below(tmp_path / "theirs") == {}


def test_a_path_that_leaves_the_folder_and_a_huge_card_are_refused(
    hub: Hub, bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(bundles)
    honest = Hub.listing

    def listing_of(change: dict[str, object]) -> None:
        def told(self: Hub, folder: Path) -> dict[str, object]:
            page = honest(self, folder)
            for file in page["siblings"]:  # type: ignore[attr-defined]
                if file["rfilename"].endswith("deep/er/card.json") and "size" in change:
                    file["size"] = change["size"]
                if "from" in change:
                    file["rfilename"] = file["rfilename"].replace("deep/er", str(change["from"]))
            return page

        monkeypatch.setattr(Hub, "listing", told)

    for outside in ("../er", "/tmp/er", "a/../../er", ".git/er"):
        listing_of({"from": outside})
        with pytest.raises(Unsafe, match="leave its folder"):
            pull_bundles(REPO, tmp_path / "theirs")
    listing_of({"size": 1 << 40})
    with pytest.raises(Unsafe, match="at most"):
        pull_bundles(REPO, tmp_path / "theirs")
    assert hub.served == []


def test_a_link_is_not_pushed(hub: Hub, bundles: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("token")
    (bundles / "a" / "card.json").unlink()
    (bundles / "a" / "card.json").symlink_to(tmp_path / "secret")
    with pytest.raises(Unsafe, match="symbolic link"):
        push(bundles)
    assert hub.folder(REPO) is None


def test_a_damaged_bundle_is_not_pushed(hub: Hub, bundles: Path) -> None:
    weights = bundles / "a" / "probe.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    with pytest.raises(StorageError, match="checksum"):
        push(bundles)
    assert hub.folder(REPO) is None


def test_another_bundle_is_not_replaced_and_the_same_may_be_pulled_twice(
    hub: Hub, bundles: Path, tmp_path: Path
) -> None:
    push(bundles)
    for _ in range(2):
        pull_bundles(REPO, tmp_path / "theirs")
    other = tmp_path / "theirs" / "a"
    save_bundle(other, LinearProbe(np.zeros(24, np.float32), 1.0), card())
    before = files_below(tmp_path / "theirs")
    with pytest.raises(CannotCreate, match="another bundle"):
        pull_bundles(REPO, tmp_path / "theirs")
    assert files_below(tmp_path / "theirs") == before


def test_what_is_not_there_is_named(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no such repository"):
        pull_bundles("someone/else", tmp_path / "theirs")
    with pytest.raises(UsageError, match="owner/name"):
        pull_bundles("not a name", tmp_path / "theirs")
    hub.commit("someone/model", {"config.json": b"{}", "a/card.json": b"{}"})
    with pytest.raises(MissingInput, match="no folder with"):
        pull_bundles("someone/model", tmp_path / "theirs")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInput, match=r"no card\.json"):
        find_bundles(tmp_path / "empty")


def test_a_hub_that_does_not_answer_is_one_of_our_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(StorageError, match=r"127\.0\.0\.1:9"):
        pull_bundles(REPO, tmp_path / "theirs")


def test_the_commands_push_and_pull(tmp_path: Path, bundles: Path) -> None:
    with serve(tmp_path / "hub") as (address, hub):
        environment = os.environ | {
            "HF_ENDPOINT": address,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_OFFLINE": "0",
            "TRANSFORMERS_OFFLINE": "0",
        }

        def augury(*arguments: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "augury", "probes", *arguments]
            return subprocess.run(
                command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
            )

        done = augury("push", str(bundles), REPO)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"2 probes in {REPO}")
        folder = hub.folder(REPO)
        assert folder is not None and "deep/er" in (folder / "README.md").read_text()
        done = augury("pull", REPO)
        assert done.returncode == 0, done.stderr
        assert "backtracking h=4 at resid.3 of organism" in done.stdout
        assert files_below(tmp_path / "probes") == files_below(bundles)
        done = augury("pull", REPO, "--model", "organism", "--to", "other")
        assert done.returncode == 78 and "another model" in done.stderr
        assert "Traceback" not in done.stderr and files_below(tmp_path / "other") == {}
        assert json.loads((tmp_path / "probes" / "a" / "card.json").read_text())["site"]
