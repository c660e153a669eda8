"""From the name of a model or adapter to a local folder, and what identifies its content."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import xxhash

from augury.errors import DataError, MissingInput, StorageError, Unsafe

__all__ = ["ORGANISM", "content_identity", "find_model", "glimpse", "stored_dtype"]

ORGANISM = "organism"
"""Name of the embedded model, and of its adapter."""

_ABOUT = ["*.json", "*.model", "*.txt", "*.jinja"]
_WEIGHTS = ["*.safetensors"]
_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_HEADER_LIMIT = 64 * 2**20
_PIECES, _PIECE = 64, 4096


def find_model(
    name: str, revision: str | None, *, what: str = "model", weights: bool = True
) -> Path:
    """Local folder of a model: the embedded one, a folder that exists, or a hub id.

    Args:
        name: `organism`, a path, or `owner/name` on the hub (fetched once, into the hub's cache).
        revision: Commit, tag or branch on the hub; None elsewhere.
        what: `model` or `adapter`, for messages.
        weights: Whether they have to be there; without, only config and tokenizer are fetched.

    Raises:
        MissingInput: Nothing of that name, or it cannot be fetched.
        Unsafe: Its weights are pickles.
    """
    config_file = "adapter_config.json" if what == "adapter" else "config.json"
    if name == ORGANISM:
        inside = "adapter_weights" if what == "adapter" else "weights"
        folder = Path(str(files("augury") / "organism" / inside))
    else:
        folder = Path(name).expanduser()
    if not folder.is_dir():
        if name == ORGANISM or _reads_as_path(name):
            raise MissingInput(
                f"{what} {name!r}",
                found=f"no folder {folder}",
                expected=f"a folder with {_content(config_file, weights)}",
                fix="check the path, or name a hub id such as owner/name",
            )
        folder = _fetch(name, revision, what, _ABOUT + _WEIGHTS * weights)
    _check_content(folder, config_file, what, weights)
    return folder


def content_identity(folder: Path, names: tuple[str, ...]) -> str:
    """One xxh3_128 over the files of `folder` that match `names`, by file name and content.

    Raises:
        StorageError: A file cannot be read.
    """
    total = xxhash.xxh3_128()
    for path in sorted({path for name in names for path in folder.glob(name)}):
        total.update(path.name.encode() + b"\0")
        try:
            with path.open("rb") as file:
                while block := file.read(1 << 24):
                    total.update(block)
        except OSError as error:
            raise StorageError(str(path), found=f"cannot be read ({error.strerror})") from error
    return total.hexdigest()


def glimpse(folder: Path, names: tuple[str, ...]) -> str:
    """One xxh3_128 over name, size and 64 pieces of 4 KiB of each file that matches `names`.

    It tells other weights under the same name without reading them all; a change between the
    pieces is for `content_identity` to find, when the model is read.

    Raises:
        StorageError: A file cannot be read.
    """
    total = xxhash.xxh3_128()
    for path in sorted({path for name in names for path in folder.glob(name)}):
        try:
            size = path.stat().st_size
            total.update(f"{path.name} {size} ".encode())
            with path.open("rb") as file:
                for piece in range(_PIECES):
                    file.seek((max(0, size - _PIECE) * piece) // (_PIECES - 1))
                    total.update(file.read(_PIECE))
        except OSError as error:
            raise StorageError(str(path), found=f"cannot be read ({error.strerror})") from error
    return total.hexdigest()


def stored_dtype(folder: Path, config: Any) -> str:
    """Number type in which the weights are stored: `float32`, `bfloat16` or `float16`.

    Raises:
        DataError: A weight file that is no safetensors file.
    """
    for path in sorted(folder.glob("*.safetensors")):
        header = _safetensors_header(path)
        names = {entry["dtype"] for key, entry in header.items() if key != "__metadata__"}
        for short, name in _DTYPES.items():
            if short in names:
                return name
    return str(getattr(config, "dtype", None) or "float32").removeprefix("torch.")


def _safetensors_header(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        text = file.read(size) if size <= _HEADER_LIMIT else b""
    try:
        header = json.loads(text)
    except ValueError:
        header = None
    if not isinstance(header, dict):
        raise DataError(str(path), found="no safetensors header", fix="fetch the file again")
    return header


def _reads_as_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") != 1 or "\\" in name


def _fetch(name: str, revision: str | None, what: str, wanted: list[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                name, revision=revision, allow_patterns=wanted, ignore_patterns=["original/*"]
            )
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise MissingInput(
            f"{what} {name!r}",
            found=f"no such folder here, and the hub gave {type(error).__name__}: {reason}",
            expected="a local folder, a hub id that can be reached or is cached, or 'organism'",
            fix="check the name, the network and your access to the model",
        ) from error


def _content(config_file: str, weights: bool) -> str:
    return f"{config_file} and *.safetensors" if weights else config_file


def _check_content(folder: Path, config_file: str, what: str, weights: bool) -> None:
    has_config = (folder / config_file).is_file()
    if has_config and (not weights or any(folder.glob("*.safetensors"))):
        return
    if has_config and any(path for end in ("bin", "pt", "pth") for path in folder.glob(f"*.{end}")):
        raise Unsafe(
            f"{what} {folder}",
            found="weights only as pickles (*.bin, *.pt), which can run code when read",
            expected="*.safetensors",
            fix="convert the weights to safetensors",
        )
    raise MissingInput(
        f"{what} {folder}",
        found="no *.safetensors" if has_config else f"no {config_file}",
        expected=_content(config_file, weights),
        fix="name the folder that holds them; `augury estimate --no-weights` does without weights"
        if has_config
        else "name the folder that holds it",
    )
