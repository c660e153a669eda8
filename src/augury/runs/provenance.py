"""What made a run: versions, the class of machine and the state of the code; nobody's name."""

from __future__ import annotations

import copy
import functools
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

__all__ = ["package_version", "provenance"]

_PACKAGES = (
    "augury",
    "numpy",
    "peft",
    "polars",
    "pydantic",
    "safetensors",
    "scikit-learn",
    "scipy",
    "tokenizers",
    "torch",
    "transformers",
)


def provenance() -> dict[str, object]:
    """Versions, machine class and git state; no host name, user or path, so it can be shared.

    Found out once per process: a later commit does not change the code that is already loaded.

    Returns:
        `versions` (distribution name to version; absent ones left out, none is imported),
        `machine` (`system`, `arch`, `cpus`) and `git` (`commit`, and `dirty` where files below
        `src` differ from it; or None where the package does not run from a checkout of its own).
    """
    versions = {name: package_version(name) for name in _PACKAGES}
    return {
        "versions": {
            "python": platform.python_version(),
            **{name: version for name, version in versions.items() if version},
        },
        "machine": {
            "system": platform.system(),
            "arch": platform.machine(),
            "cpus": os.cpu_count() or 0,
        },
        "git": copy.copy(_git_state(Path(__file__).resolve().parents[1])),
    }


@functools.cache
def package_version(name: str) -> str:
    """Version of an installed distribution, or an empty string; nothing is imported."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


@functools.cache
def _git_state(package: Path) -> dict[str, object] | None:
    # Only a checkout that holds the package as src/augury is its own; a virtual environment
    # inside somebody else's repository is not.
    root = package.parents[1]
    if package.parent.name != "src" or not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    # Code alone: configs are kept with a run, and what it writes lies beside `src`.
    changes = _git(root, "status", "--porcelain", "--", "src")
    if commit is None or changes is None:
        return None
    return {"commit": commit, "dirty": bool(changes)}


def _git(root: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(root), "-c", "core.fsmonitor=false", *arguments]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=10, check=True, env=environment
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
