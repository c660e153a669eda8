"""Set augury up and run it, with nothing but Python 3.11+ and pip (or uv).

    python3 dev.py demo     install, then run the main job on the embedded model
    python3 dev.py test     install, then lint, types, import contracts, tests and docs

Options: --uv (install with uv), --gpu (leave the constraints out: you get your own torch build).
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if sys.platform == "win32" else "bin")
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
CHECKS = (
    ("lint", "ruff check ."),
    ("format", "ruff format --check ."),
    ("types", "mypy"),
    ("imports", "lint-imports"),
    ("tests", "pytest -n auto --maxprocesses 8 --dist loadfile"),
    ("docs", "sphinx-build -q -W --keep-going -b html docs docs/_build"),
)


def run(*command: str | Path) -> int:
    """Run a command in the checkout; its exit code."""
    return subprocess.run([str(part) for part in command], cwd=ROOT, check=False).returncode


def must(*command: str | Path) -> None:
    """Run a command, and end when it fails."""
    if code := run(*command):
        sys.exit(f"dev.py: `{' '.join(map(str, command))}` failed with exit code {code}")


def install(extra: str, *, uv: bool, gpu: bool) -> None:
    """Make the environment and install augury in it, editable."""
    constraints = [] if gpu else ["-c", "constraints/cpu.txt"]
    package = ["-e", f".{extra}"]
    if uv:
        if not VENV.exists():
            must("uv", "venv", "--python", "3.11", VENV)
        backend = [] if gpu else ["--torch-backend", "cpu"]
        tool = ["uv", "pip", "install", "-q", "--python", str(BIN / "python")]
        # A configured index or wheel folder may already offer the CPU build; then ask nobody else.
        if run(*tool, *constraints, *package):
            must(*tool, *backend, *constraints, *package)
        return
    if not VENV.exists():
        must(sys.executable, "-m", "venv", VENV)
    tool = [str(BIN / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    if not gpu and run(*tool, *constraints, "torch"):
        print("dev.py: no CPU build of torch here; asking PyTorch's own index", file=sys.stderr)
        must(*tool, *constraints, "torch", "--extra-index-url", TORCH_CPU_INDEX)
    must(*tool, *constraints, *package)


def test() -> int:
    """Run every check; the exit code is 1 when any of them failed."""
    failed = []
    for name, command in CHECKS:
        program, *arguments = command.split()
        started = time.monotonic()
        code = run(BIN / program, *arguments)
        print(f"--- {name}: {'ok' if code == 0 else 'FAILED'} ({time.monotonic() - started:.0f} s)")
        sys.stdout.flush()
        if code:
            failed.append(name)
    print("--- failed: " + ", ".join(failed) if failed else "--- all checks passed")
    return 1 if failed else 0


def main(arguments: list[str]) -> int:
    """Parse the two words that this script knows."""
    verbs = [a for a in arguments if not a.startswith("-")]
    flags = {a for a in arguments if a.startswith("-")}
    if verbs not in (["demo"], ["test"]) or flags - {"--uv", "--gpu"}:
        print(__doc__)
        return 2
    started = time.monotonic()
    install("[dev]" if verbs == ["test"] else "", uv="--uv" in flags, gpu="--gpu" in flags)
    print(f"--- installed ({time.monotonic() - started:.0f} s)", flush=True)
    if verbs == ["test"]:
        return test()
    return run(BIN / "augury", "run", "backtracking-lag")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
