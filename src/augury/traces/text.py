"""Facts about raw text: may it be stored, and is it the same text as another."""

from __future__ import annotations

import xxhash

from augury.errors import DataError

__all__ = ["check_encodable", "normalised_hash"]


def check_encodable(text: str, where: str) -> None:
    """Refuse text that has no UTF-8 form.

    Raises:
        DataError: `text` holds a lone surrogate; its code-point offset is named.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            where,
            found=f"lone surrogate U+{ord(text[error.start]):04X} at code point {error.start}",
            expected="text that can be written as UTF-8",
            fix="repair the character at its source; it is the half of a broken pair",
        ) from None


def normalised_hash(text: str) -> str:
    """32 hex digits that agree for texts that differ only in letter case and white space."""
    return xxhash.xxh3_128_hexdigest(" ".join(text.casefold().split()).encode("utf-8", "replace"))
