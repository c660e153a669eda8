"""Which tokens a capture holds: every planned row of every site exactly once, or an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from augury.activations.anchors import planned_rows
from augury.activations.capture import Capture, Piece
from augury.errors import DataError
from augury.traces.tokens import TokenisedTrace

__all__ = ["CapturedRows", "captured_rows"]

_RULES: tuple[Literal["completion", "all"], ...] = ("completion", "all")


class CapturedRows(NamedTuple):
    """The rows of every site, ordered by (trace, token)."""

    rule: Literal["completion", "all"]
    """Which tokens they are, as in a reading plan."""

    firsts: np.ndarray
    """int64 [trace], index of the first kept token; all up to the end of the trace are kept."""

    offsets: np.ndarray
    """int64 [trace + 1], number of rows before each trace."""

    def numbers(self, piece: Piece, part: slice = slice(None)) -> np.ndarray:
        """Numbers of (a part of) the rows of a file, int64 [row], ascending."""
        trace = piece.trace[part]
        numbers: np.ndarray = self.offsets[trace] + piece.token[part] - self.firsts[trace]
        return numbers

    def place(self, row: int, parts: Sequence[TokenisedTrace]) -> str:
        """A row in words."""
        trace = int(np.searchsorted(self.offsets, row, side="right")) - 1
        token = row - int(self.offsets[trace]) + int(self.firsts[trace])
        return f"trace {trace} ({parts[trace].trace_id!r}), token {token}"


def captured_rows(capture: Capture, parts: Sequence[TokenisedTrace]) -> CapturedRows:
    """Check the columns `trace` and `token` of all files against the tokens of the traces.

    Raises:
        DataError: A trace or token that does not exist; a trace that is not kept from the start
            of its completion, or whole; a row that is missing or stands twice.
    """
    lengths = np.array([len(part.ids) for part in parts], dtype=np.int64)
    firsts = lengths.copy()
    for piece in capture.pieces:
        _check_range(piece, parts, lengths)
        np.minimum.at(firsts, piece.trace, piece.token)
    rows = CapturedRows(
        _rule(capture, parts, firsts), firsts, np.concatenate([[0], np.cumsum(lengths - firsts)])
    )
    if not rows.offsets[-1]:
        raise DataError(str(capture.folder), found="no row", expected="at least one")
    stated = capture.about.rows
    if stated is not None and stated != rows.offsets[-1]:
        raise DataError(
            f"{capture.folder / 'export.json'}: rows",
            found=str(stated),
            expected=f"{rows.offsets[-1]}, as in the files",
        )
    for site in capture.sites:
        _check_once(capture, site, rows, parts)
    return rows


def _check_range(piece: Piece, parts: Sequence[TokenisedTrace], lengths: np.ndarray) -> None:
    def refuse(bad: np.ndarray, what: str, found: np.ndarray, expected: str) -> None:
        row = int(bad[np.argmin(piece.order[bad])])
        raise DataError(
            f"{piece.path}: row {piece.order[row]}", found=f"{what} {found[row]}", expected=expected
        )

    if len(bad := np.flatnonzero((piece.trace < 0) | (piece.trace >= len(parts)))):
        refuse(bad, "trace", piece.trace, f"a trace from 0 to {len(parts) - 1}")
    limits = lengths[piece.trace]
    if len(bad := np.flatnonzero((piece.token < 0) | (piece.token >= limits))):
        number = int(piece.trace[bad[np.argmin(piece.order[bad])]])
        trace = f"{number} ({parts[number].trace_id!r})"
        refuse(bad, "token", piece.token, f"one of the {lengths[number]} tokens of trace {trace}")


def _rule(
    capture: Capture, parts: Sequence[TokenisedTrace], firsts: np.ndarray
) -> Literal["completion", "all"]:
    starts = {
        rule: np.array(
            [len(part.ids) - len(planned_rows(part, whole=rule == "all")) for part in parts]
        )
        for rule in _RULES
    }
    for rule in _RULES:
        if np.array_equal(starts[rule], firsts):
            return rule
    # The rule that most traces follow is the one that was meant.
    meant = max(_RULES, key=lambda rule: int((starts[rule] == firsts).sum()))
    odd = int(np.flatnonzero(starts[meant] != firsts)[0])
    whole = firsts[odd] == len(parts[odd].ids)
    raise DataError(
        f"{capture.folder}: trace {odd} ({parts[odd].trace_id!r})",
        found="no rows" if whole else f"rows from token {firsts[odd]} on",
        expected=f"rows from token {starts['completion'][odd]} (its completion) or "
        f"{starts['all'][odd]} (all of it) on, and the same rule for every trace",
    )


def _check_once(
    capture: Capture, site: str, rows: CapturedRows, parts: Sequence[TokenisedTrace]
) -> None:
    owner = np.full(int(rows.offsets[-1]), -1, dtype=np.int32)
    for number, piece in enumerate(capture.pieces):
        if site not in piece.widths:
            continue
        at = rows.numbers(piece)
        again = np.flatnonzero((owner[at] >= 0) | (np.diff(at, prepend=-1) == 0))
        if len(again):
            row = int(at[again[0]])
            before = capture.pieces[owner[row]] if owner[row] >= 0 else piece
            raise DataError(
                f"{piece.path}: site {site}, {rows.place(row, parts)}",
                found=f"a row that {before.path.name} holds already",
                expected="every row once",
            )
        owner[at] = number
    lost = np.flatnonzero(owner < 0)
    if len(lost):
        raise DataError(
            f"{capture.folder}: site {site}, {rows.place(int(lost[0]), parts)}",
            found=f"not captured, as {len(lost)} rows of {len(owner)}"
            if len(lost) > 1
            else "not captured",
            expected="every token from the first of a trace to its last, at every site",
        )
