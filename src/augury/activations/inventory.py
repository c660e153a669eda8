"""What stores there are, and what one store is, without reading a state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augury.activations.layout import Header, finished_shards, read_header, shard_path
from augury.errors import MissingInput, StorageError

__all__ = ["Description", "describe", "find_stores"]


@dataclass(frozen=True, slots=True)
class Description:
    """One store, finished or not."""

    path: Path
    """Its folder."""

    header: Header
    """What determines its values."""

    shards: int
    """Shards that are finished."""

    bytes: int
    """Of the finished shards."""

    @property
    def rows(self) -> int:
        """Rows that it will have."""
        return sum(self.header.counts)

    @property
    def state(self) -> str:
        """`finished`, or how far it has come."""
        whole = len(self.header.shards)
        return "finished" if self.shards == whole else f"{self.shards} of {whole} shards"

    def line(self) -> str:
        """The store in one line."""
        sites = len(self.header.fields["plan"]["sites"])
        return (
            f"{self.path}  {self.rows} rows x {sites} sites, {self.header.dtype}, "
            f"{self.bytes / 1e6:.1f} MB, {self.state}"
        )

    def lines(self) -> list[str]:
        """The store, and every field that can change a value."""
        return [self.line(), *(f"  {k}: {v}" for k, v in _flat(self.header.fields))]


def find_stores(root: Path) -> list[Path]:
    """Folders below `root` that hold a store, in order of their names.

    Raises:
        MissingInput: `root` is no folder.
    """
    if not root.is_dir():
        raise MissingInput(str(root), found="no such folder", expected="a folder with stores in it")
    return sorted(path.parent for path in root.rglob("store.json"))


def describe(path: Path) -> Description:
    """Describe one store.

    Raises:
        MissingInput: No store there.
        StorageError: Its header or journal is damaged.
    """
    header = read_header(path)
    if header is None:
        raise MissingInput(f"store {path}", found="no store.json", fix="augury store ls FOLDER")
    shards = finished_shards(path, header)
    try:
        size = sum(shard_path(path, shard).stat().st_size for shard in shards)
    except OSError as error:
        raise StorageError(str(path), found=str(error)) from error
    return Description(path, header, len(shards), size)


def _flat(fields: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in fields.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
