"""An append-only record of finished work: a line is there whole and durable, or it never was.

Each line is `crc32hex SPACE json`. A crash can only tear the last line, and a torn line was never
acknowledged, so readers ignore it and the next writer cuts it off. Damage elsewhere is an error.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from augury.errors import CannotCreate, DataError, StorageError
from augury.plain import json_text
from augury.runs.atomic import ensure_folder, storage_error, sync_folder

__all__ = ["Journal", "Records", "read_journal"]


class Records(list[dict[str, Any]]):
    """The records of a journal, oldest first."""

    torn: bool = False
    """Whether an unfinished last line was ignored."""

    sound_bytes: int = 0
    """Length of the file without the unfinished line."""


class Journal:
    """The writer of one journal file; the caller makes sure that it is the only one (see `lock`).

    The first append cuts off a torn last line.
    """

    def __init__(self, path: Path) -> None:
        """Name the file; it is created by the first `append`."""
        self.path = path
        self._sound: int | None = None

    def append(self, record: Mapping[str, object]) -> None:
        """Add one record; when this returns, the record survives a power loss.

        Raises:
            DataError: A number in the record is not finite.
            StorageError: The disk is full or failed, or an earlier line is damaged.
            CannotCreate: The file cannot be created.
        """
        line = _line(self.path, record)
        descriptor = self._open()
        try:
            if self._sound is None:
                self._sound = read_journal(self.path).sound_bytes
            if os.fstat(descriptor).st_size > self._sound:
                os.ftruncate(descriptor, self._sound)
            sound, self._sound = self._sound, None
            _write_all(descriptor, line)
            os.fsync(descriptor)
            self._sound = sound + len(line)
        except OSError as error:
            if isinstance(error, StorageError):
                raise
            raise storage_error(self.path, error) from error
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        is_new = not self.path.exists()
        if is_new:
            ensure_folder(self.path.parent)
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            found = f"cannot be opened for writing: {error.strerror}"
            raise CannotCreate(str(self.path), found=found) from error
        if is_new:
            sync_folder(self.path.parent)
        return descriptor


def read_journal(path: Path) -> Records:
    """All acknowledged records, oldest first; none where the file does not exist.

    A last line without its newline, or with a wrong checksum, is left out and `torn` is set.

    Raises:
        StorageError: A line before the last is damaged (named as `file:line`), or reading failed.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Records()
    except OSError as error:
        raise storage_error(path, error) from error
    *lines, rest = data.split(b"\n")
    records = Records()
    for number, line in enumerate(lines, start=1):
        record = _parse(line)
        if record is not None:
            records.append(record)
            records.sound_bytes += len(line) + 1
        elif number < len(lines) or rest or _has_lost_its_newline(line):
            raise _damaged(path, number)
        else:
            records.torn = True
    if rest and _has_lost_its_newline(rest):
        raise _damaged(path, len(lines) + 1)
    records.torn = records.torn or bool(rest)
    return records


def _line(path: Path, record: Mapping[str, object]) -> bytes:
    try:
        body = json_text(record).encode()
    except DataError as error:
        where = f"{path}: {error.where}"
        raise DataError(where, found=error.found, expected=error.expected) from error
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _parse(line: bytes) -> dict[str, Any] | None:
    checksum, _, body = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(body):
        return None
    try:
        record = json.loads(body)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _has_lost_its_newline(line: bytes) -> bool:
    # A whole record with something after it was acknowledged once, so it is damaged and not torn.
    checksum, _, body = line.partition(b" ")
    end = body.find(b"}") + 1
    while 0 < end < len(body):
        if checksum == b"%08x" % zlib.crc32(body[:end]):
            return True
        end = body.find(b"}", end) + 1
    return False


def _damaged(path: Path, number: int) -> StorageError:
    return StorageError(
        f"{path}:{number}",
        found="a damaged line (its checksum is wrong)",
        expected="only the last line to be unfinished",
        fix="restore the file from a copy, or delete its folder and run again",
    )


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
