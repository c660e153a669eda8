"""Configs that come with the package, named without their paths."""

from __future__ import annotations

from pathlib import Path

from augury.errors import MissingInput
from augury.plain import shown

__all__ = ["configs_folder", "named_file"]

_YAML = (".yaml", ".yml")


def configs_folder() -> Path:
    """The folder of configs: inside an installed package, beside `src` in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parents[1] / "configs"


def named_file(named: Path, kind: str, *, beside: Path = Path()) -> Path:
    """The file that is meant: a path, or the bare name of a shipped one. A file goes before a name.

    Args:
        named: As somebody wrote it.
        kind: Folder of the shipped ones, such as `thought-anchors` or `sweeps`.
        beside: Where relative paths begin.

    Raises:
        MissingInput: A bare name is neither a file there nor a shipped one.
    """
    file = beside / named
    # Not any suffix: `llama-3.1-8b` is a bare name.
    if file.exists() or named.suffix in _YAML or named.name != str(named):
        return file
    shipped = configs_folder() / kind / f"{named}.yaml"
    if not shipped.is_file():
        names = sorted(each.stem for each in shipped.parent.glob("*.yaml"))
        raise MissingInput(
            f"config {shown(str(named))}",
            found=f"neither a file nor a shipped config of {kind}",
            expected=f"the path of a YAML file, or one of {', '.join(names)}",
        )
    return shipped
