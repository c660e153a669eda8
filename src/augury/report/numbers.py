"""How a value is written for a reader."""

from __future__ import annotations

import math

from augury.errors import DataError
from augury.report.tables import CellValue

__all__ = ["shown"]


def shown(value: CellValue, digits: int = 3) -> str:
    """A value as text: floats to `digits` significant digits, counts grouped by three, None a dash.

    Groups are split by a narrow no-break space, minus signs are real ones.

    Raises:
        DataError: The value is NaN or infinite; an undefined number is None.
    """
    if value is None:
        return "\u2013"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f").replace("-", "\u2212")
    if not math.isfinite(value):
        raise DataError("page", found=str(value), expected="a finite number, or None if undefined")
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if not -5 <= magnitude < 7:
        return f"{value:.{digits - 1}e}".replace("-", "\u2212")
    return f"{value:.{max(digits - 1 - magnitude, 0)}f}".replace("-", "\u2212")
