"""Break the statistics in small ways, one at a time, and see whether a test goes red.

python -m tests.mutants            all of them; exit code 1 if one survives
python -m tests.mutants rotate     those whose name or path contains a word
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc")


@dataclass(frozen=True)
class Mutant:
    """One wrong line."""

    name: str
    """What is wrong, in a phrase."""

    path: str
    """File that is broken, from the root of the checkout."""

    right: str
    """Text that occurs exactly once in the file."""

    wrong: str
    """Text that takes its place."""

    tests: tuple[str, ...]
    """Test files of which one must fail."""


def _mutants() -> Iterator[Mutant]:
    listed = tomllib.loads((ROOT / "tests/mutants.toml").read_text(encoding="utf-8"))
    for file in listed["file"]:
        for name, right, wrong in file["mutants"]:
            yield Mutant(name, file["path"], right, wrong, tuple(file["tests"]))


MUTANTS = tuple(_mutants())


def copied(folder: Path) -> Path:
    """A copy of what the tests need, to be broken."""
    for name in ("src", "tests", "benchmarks", "configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=_IGNORED)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def survives(mutant: Mutant, tree: Path) -> bool:
    """Break the copy, run the tests of the mutant, and mend the copy."""
    file = tree / mutant.path
    before = file.read_text(encoding="utf-8")
    file.write_text(before.replace(mutant.right, mutant.wrong), encoding="utf-8")
    try:
        return _passes(mutant.tests, tree)
    finally:
        file.write_text(before, encoding="utf-8")


def _passes(tests: Sequence[str], tree: Path) -> bool:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"pytest ended with {done.returncode}:\n{done.stdout.decode()[-2000:]}")
    return done.returncode == 0


def main(words: Sequence[str]) -> int:
    """Run the mutants that the words name; 1 if any survives."""
    chosen = [
        m for m in MUTANTS if not words or any(word in f"{m.path} {m.name}" for word in words)
    ]
    if not chosen:
        sys.exit(f"no mutant is named {', '.join(words)}")
    alive = []
    with tempfile.TemporaryDirectory() as folder:
        tree = copied(Path(folder))
        every = sorted({test for mutant in chosen for test in mutant.tests})
        if not _passes(every, tree):
            sys.exit("the tests fail before anything is broken")
        for mutant in chosen:
            alive += [mutant.name] if survives(mutant, tree) else []
            state = "SURVIVED" if mutant.name in alive else "killed"
            print(f"{state:9s}{mutant.path}: {mutant.name}", flush=True)
    print(f"{len(chosen) - len(alive)} of {len(chosen)} killed")
    return int(bool(alive))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
