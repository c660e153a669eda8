"""From names to folders, and what identifies their content."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from augury.errors import DataError, MissingInput
from augury.models.source import content_identity, find_model, glimpse, stored_dtype


def _folder(path: Path, dtype: str = "BF16") -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    header = json.dumps({"w": {"dtype": dtype, "shape": [0], "data_offsets": [0, 0]}}).encode()
    (path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return path


def test_a_folder_that_exists_is_itself(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "a" / "b")
    assert find_model(str(folder), None) == folder


@pytest.mark.parametrize("name", ["./absent", "/absent/model", "~/absent-model", "a/b/c", "absent"])
def test_a_name_that_reads_as_a_path_is_never_looked_up_elsewhere(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("asked the hub")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(MissingInput, match=r"no folder"):
        find_model(name, None)


def test_a_hub_model_that_cannot_be_fetched_is_missing_input(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from huggingface_hub.errors import LocalEntryNotFoundError

    def offline(*_: object, **__: object) -> None:
        raise LocalEntryNotFoundError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(MissingInput, match="no network"):
        find_model("owner/name", None)


def test_an_adapter_needs_its_own_config(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"no adapter_config\.json"):
        find_model(str(_folder(tmp_path / "a")), None, what="adapter")


@pytest.mark.parametrize(
    ("code", "name"), [("BF16", "bfloat16"), ("F32", "float32"), ("F16", "float16")]
)
def test_the_stored_number_type_is_read_from_the_weights(
    code: str, name: str, tmp_path: Path
) -> None:
    assert stored_dtype(_folder(tmp_path / "a", code), None) == name


def test_a_file_that_is_no_safetensors_is_named(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "a")
    (folder / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(DataError, match=r"model\.safetensors"):
        stored_dtype(folder, None)


def test_identity_follows_names_and_bytes(tmp_path: Path) -> None:
    one, two = _folder(tmp_path / "a"), _folder(tmp_path / "b")
    names = ("*.safetensors", "config.json")
    assert content_identity(one, names) == content_identity(two, names)
    (two / "config.json").rename(two / "config2.json")
    assert content_identity(one, names) != content_identity(two, ("*.safetensors", "*.json"))
    assert content_identity(one, ("*.safetensors",)) == content_identity(two, ("*.safetensors",))


def test_a_glimpse_tells_other_weights_of_the_same_size(tmp_path: Path) -> None:
    names, path = ("*.safetensors",), tmp_path / "model.safetensors"
    seen = set()
    for start in (0, 1):
        path.write_bytes(bytes((start + n) % 251 for n in range(2_000_000)))
        seen |= {glimpse(tmp_path, names), glimpse(tmp_path, names)}
    last = path.read_bytes()[:-1] + b"x"
    for data in (last, last[:-1], b"", b"short"):
        path.write_bytes(data)
        seen.add(glimpse(tmp_path, names))
    (tmp_path / "other.json").write_text("{}")
    assert len(seen | {glimpse(tmp_path, names)}) == 6
