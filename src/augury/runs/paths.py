"""Paths in configs: `$NAME` is read from the environment, so that no config names a machine."""

from __future__ import annotations

import os
import re

from augury.errors import MissingInput

__all__ = ["expand"]


def expand(text: str, where: str) -> str:
    """Replace `$NAME` at the start of `text` by the environment variable of that name.

    Raises:
        MissingInput: The variable is not set; `where` is the config key that names it.
    """
    match = re.match(r"\$([A-Za-z_][A-Za-z0-9_]*)", text)
    if match is None:
        return text
    name = match.group(1)
    if name not in os.environ:
        raise MissingInput(
            f"{where}: {text}",
            found=f"the environment variable {name} is not set",
            expected="the folder that it should point to",
            fix=f"export {name}=/path/to/it, or write the path into the config",
        )
    return os.environ[name] + text[match.end() :]
