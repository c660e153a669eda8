from __future__ import annotations

import getpass
import json
import platform
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from augury.runs import provenance as module
from augury.runs.provenance import package_version, provenance

SOURCE = Path(__file__).parents[2] / "src"


def test_versions_are_those_of_the_installed_distributions() -> None:
    versions = provenance()["versions"]
    assert isinstance(versions, dict)
    assert versions["python"] == platform.python_version()
    assert versions["numpy"] == metadata.version("numpy")
    assert package_version("no-such-distribution-anywhere") == ""


def test_nothing_private_is_in_it() -> None:
    text = json.dumps(provenance())
    assert socket.gethostname() not in text
    assert str(Path.home()) not in text
    assert str(SOURCE.parent) not in text
    assert f'"{getpass.getuser()}"' not in text


def test_no_heavy_library_is_imported_for_it() -> None:
    code = (
        "import sys; from augury.runs.provenance import provenance; provenance();"
        "heavy = {'torch', 'transformers', 'sklearn', 'scipy', 'polars', 'numpy', 'rich'};"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(SOURCE)})


def _git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    command = ["git", "-C", str(root), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_and_whether_the_checkout_differs_from_it(tmp_path: Path) -> None:
    package = tmp_path / "src" / "augury"
    package.mkdir(parents=True)
    (package / "a.py").write_text("")
    try:
        _git(tmp_path, "init", "-q")
    except FileNotFoundError:
        pytest.skip("git is not installed")
    state = module._git_state.__wrapped__
    assert state(package) is None
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-q", "--no-verify", "-m", "first")
    commit = _git(tmp_path, "rev-parse", "HEAD")
    assert state(package) == {"commit": commit, "dirty": False}
    for name in ("my.yaml", "venv", "sweeps"):
        (tmp_path / name).write_text("")
    assert state(package) == {"commit": commit, "dirty": False}
    (package / "a.py").write_text("x = 1\n")
    assert state(package) == {"commit": commit, "dirty": True}


def test_a_package_inside_somebody_elses_checkout_has_no_git_state(tmp_path: Path) -> None:
    package = tmp_path / "lib" / "site-packages" / "augury"
    package.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    assert module._git_state(package) is None
