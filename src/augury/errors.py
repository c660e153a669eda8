"""Every error that augury raises on purpose, and the exit code that it ends the command with.

AuguryError                    root: one line for the user, no traceback
├── UsageError             2   the command line or an argument cannot mean anything
├── PartialFailure         3   finished, with listed failures
├── CheckFailed            4   a check, tripwire or gate failed
├── DataError             65   the data is malformed, or cannot answer the question
├── MissingInput          66   a file, folder or model that was named is not there
├── CannotCreate          73   an output cannot be created
├── StorageError          74   reading or writing failed half-way
├── Busy                  75   somebody else holds the lock; try again
├── Unsafe                77   refused because it could run code or leak secrets
└── ConfigError           78   a config is wrong, or does not match what is stored

Exit code 70 is our own bug: any exception outside this tree. 130 is Ctrl-C.
"""

from __future__ import annotations

__all__ = [
    "AuguryError",
    "Busy",
    "CannotCreate",
    "CheckFailed",
    "ConfigError",
    "DataError",
    "MissingInput",
    "PartialFailure",
    "StorageError",
    "Unsafe",
    "UsageError",
]


class AuguryError(Exception):
    """Root of the tree. `str(error)` is the one line that a user reads.

    Args:
        where: The file, row, field, flag or config key that is at fault.
        found: What is there.
        expected: What would have been right.
        fix: What to do next, as an imperative sentence without its full stop.
    """

    code = 70

    def __init__(self, where: str, *, found: str, expected: str = "", fix: str = "") -> None:
        self.where, self.found, self.expected, self.fix = where, found, expected, fix
        parts = [f"{where}: {found}"]
        if expected:
            parts.append(f"expected {expected}")
        if fix:
            parts.append(f"fix: {fix}")
        super().__init__("; ".join(parts))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.where, self.found, self.expected, self.fix)


def _rebuild(
    kind: type[AuguryError], where: str, found: str, expected: str, fix: str
) -> AuguryError:
    return kind(where, found=found, expected=expected, fix=fix)


class UsageError(AuguryError, ValueError):
    """The command line or an argument cannot mean anything."""

    code = 2


class PartialFailure(AuguryError):
    """The job finished, but some of its items failed; they are listed."""

    code = 3


class CheckFailed(AuguryError):
    """A check that guards the numbers failed, so no number is given."""

    code = 4


class DataError(AuguryError, ValueError):
    """The data is malformed, or cannot answer the question asked of it."""

    code = 65


class MissingInput(AuguryError, FileNotFoundError):
    """A named file, folder, model or package is not there."""

    code = 66


class CannotCreate(AuguryError, OSError):
    """An output file or folder cannot be created."""

    code = 73


class StorageError(AuguryError, OSError):
    """Reading or writing failed half-way, or stored bytes are damaged."""

    code = 74


class Busy(AuguryError):
    """Another process holds the lock; nothing was changed."""

    code = 75


class Unsafe(AuguryError):
    """Refused because it could run foreign code or leak a secret."""

    code = 77


class ConfigError(AuguryError, ValueError):
    """A config is wrong, or does not match what is stored."""

    code = 78
