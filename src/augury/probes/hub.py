"""Bundles in a repository of a model hub: their two files, and nothing else, in and out.

What comes in is foreign: only `card.json` and `probe.safetensors` are fetched, of one commit and of
stated size; every byte is checked before a file gets its name. Nothing is unpickled, and no link is
followed. `HF_ENDPOINT` names another hub, `HF_TOKEN` the account, as for huggingface_hub.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import CommitOperationAdd, HfApi, constants
from huggingface_hub import errors as hub_errors
from huggingface_hub.utils.tqdm import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)

from augury.errors import CannotCreate, MissingInput, StorageError, Unsafe, UsageError
from augury.probes.bundle import CARD, MOST_CARD_BYTES, WEIGHTS, ProbeCard, read_bundle
from augury.runs.atomic import write_bytes
from augury.runs.progress import track

__all__ = ["Pulled", "find_bundles", "pull_bundles", "push_bundles"]

_MOST_WEIGHT_BYTES = 1 << 30
_MOST_BUNDLES = 10_000
_TRANSPORT = getattr(hub_errors, "HTTPError", OSError)
"""What the HTTP library of the installed huggingface_hub raises."""


@dataclass(frozen=True)
class Pulled:
    """What came from a hub."""

    commit: str
    """Commit that it is of."""

    bundles: Mapping[Path, ProbeCard]
    """Card of each bundle, by its folder."""

    left: Sequence[str]
    """Other files of the repository, which were not fetched."""


def find_bundles(folder: Path) -> dict[str, ProbeCard]:
    """Every bundle at or below a folder, by its path from there; each is read and checked.

    Raises:
        MissingInput: There is none.
        Unsafe: A link stands in for a folder or a file: what it leads to would be given away.
    """
    if not folder.is_dir():
        raise MissingInput(str(folder), found="no such folder", expected="a run, or bundles")
    found: dict[str, ProbeCard] = {}
    for place, folders, files in os.walk(folder, followlinks=False):
        for name in (*folders, *files):
            if Path(place, name).is_symlink():
                raise Unsafe(
                    str(Path(place, name)),
                    found="a symbolic link",
                    expected="folders and files that are what they seem",
                    fix="push a folder without links",
                )
        if CARD in files:
            name = Path(place).relative_to(folder).as_posix()
            found[name] = read_bundle(Path(place))[1]
    if not found:
        raise MissingInput(str(folder), found=f"no {CARD} below it", expected="at least one bundle")
    return found


def push_bundles(
    folder: Path, names: Sequence[str], repo: str, *, readme: str, private: bool = True
) -> str:
    """Commit bundles to a repository of the hub, all or none; it is made where it is missing.

    Args:
        folder: Where the bundles are.
        names: Paths of the bundles from there, from `find_bundles`; the same in the repository.
        repo: `owner/name`.
        readme: Text of `README.md`.
        private: Whether a repository that is made now is private.

    Returns:
        The commit.

    Raises:
        UsageError: The hub takes no such name.
        StorageError: The hub refused, or could not be reached.
    """
    api = HfApi()
    additions = [CommitOperationAdd("README.md", readme.encode("utf-8"))]
    for name in names:
        for file in (WEIGHTS, CARD):
            data = (folder / name / file).read_bytes()
            additions.append(CommitOperationAdd((PurePosixPath(name) / file).as_posix(), data))
    with _hub_failures(repo), _no_bars():
        api.create_repo(repo, private=private, exist_ok=True)
        message = f"{len(names)} probe{'' if len(names) == 1 else 's'}"
        return str(api.create_commit(repo, operations=additions, commit_message=message).oid)


def pull_bundles(
    repo: str,
    to: Path,
    *,
    revision: str | None = None,
    model_identity: Mapping[str, str] | None = None,
) -> Pulled:
    """Fetch every bundle of a repository into a folder, checked before it gets its name.

    Args:
        repo: `owner/name`.
        to: Created where missing; bundles stand in it as in the repository.
        revision: Branch, tag or commit; the newest of `main` where not given.
        model_identity: Of the model that the probes are for; None compares at `load_bundle` only.

    Raises:
        MissingInput: There is no such repository or revision, or no bundle in it.
        Unsafe: A file would be written outside of the folder, or is too large.
        ConfigError: A probe was fitted on another model.
        StorageError: A file is damaged, or the hub could not be reached.
        CannotCreate: Another bundle is there already.
    """
    api = HfApi()
    with _hub_failures(repo):
        info = api.model_info(repo, revision=revision, files_metadata=True)
    files = {file.rfilename: file for file in info.siblings or ()}
    folders = _bundle_folders(repo, files)
    bundles: dict[Path, ProbeCard] = {}
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to, prefix=".pull-") as temporary:
        wanted = [(folder / file).as_posix() for folder in folders for file in (WEIGHTS, CARD)]
        for name in track(wanted, what="fetching", unit="files"):
            with _hub_failures(repo), _no_bars():
                got = api.hf_hub_download(repo, name, revision=info.sha, local_dir=temporary)
            _check_file(f"{repo}/{name}", Path(got), files[name])
        checked = {
            folder: read_bundle(Path(temporary) / folder, model_identity=model_identity)[1]
            for folder in folders
        }
        for folder in folders:
            _refuse_another(to / folder, Path(temporary) / folder)
        for folder, card in checked.items():
            for file in (WEIGHTS, CARD):
                write_bytes(to / folder / file, (Path(temporary) / folder / file).read_bytes())
            bundles[to / folder] = card
    return Pulled(str(info.sha), bundles, sorted(set(files) - set(wanted)))


def _bundle_folders(repo: str, files: Mapping[str, Any]) -> list[PurePosixPath]:
    """Folders that hold both files, if nothing speaks against fetching them."""
    cards = {PurePosixPath(n).parent for n in files if PurePosixPath(n).name == CARD}
    weights = {PurePosixPath(n).parent for n in files if PurePosixPath(n).name == WEIGHTS}
    folders = sorted(cards & weights)
    if not folders:
        raise MissingInput(repo, found=f"no folder with {CARD} and {WEIGHTS}", expected="a probe")
    if len(folders) > _MOST_BUNDLES:
        found, expected = f"{len(folders)} bundles", f"at most {_MOST_BUNDLES}"
        raise Unsafe(repo, found=found, expected=expected)
    for folder in folders:
        if folder.is_absolute() or any(
            part.startswith(".") or "\\" in part or ":" in part for part in folder.parts
        ):
            raise Unsafe(
                f"{repo}: {str(folder)!r}",
                found="a path that could leave its folder",
                expected="plain names of folders",
            )
        for file, most in ((CARD, MOST_CARD_BYTES), (WEIGHTS, _MOST_WEIGHT_BYTES)):
            size = files[(folder / file).as_posix()].size
            if size is None or size > most:
                found = f"{size} bytes" if size is not None else "no stated size"
                raise Unsafe(f"{repo}/{folder / file}", found=found, expected=f"at most {most}")
    return folders


def _check_file(where: str, path: Path, told: Any) -> None:
    """Refuse a file that is no plain one, or is not what the listing of the commit states."""
    if path.is_symlink() or not path.is_file():
        raise Unsafe(where, found="no plain file", expected="a plain file")
    data = path.read_bytes()
    if len(data) != told.size:
        raise StorageError(where, found=f"{len(data)} bytes", expected=f"{told.size}")
    if told.lfs is not None:
        found, expected = hashlib.sha256(data).hexdigest(), told.lfs.sha256
    else:  # the name that git gives to these bytes
        header = f"blob {len(data)}\0".encode()
        found, expected = hashlib.sha1(header + data).hexdigest(), told.blob_id
    if found != expected:
        raise StorageError(where, found=f"another hash, {found}", expected=str(expected))


def _refuse_another(target: Path, fresh: Path) -> None:
    for file in (WEIGHTS, CARD):
        there = target / file
        if there.is_symlink() or (
            there.exists() and there.read_bytes() != (fresh / file).read_bytes()
        ):
            raise CannotCreate(
                str(target),
                found="another bundle",
                expected="an empty place, or the same bundle",
                fix="name another folder, or move this one",
            )


@contextmanager
def _hub_failures(repo: str) -> Iterator[None]:
    """What can go wrong with a hub, in our words."""
    where = f"{constants.ENDPOINT}/{repo}"
    try:
        yield
    except hub_errors.HFValidationError as error:
        raise UsageError(
            f"repository {repo!r}", found=_first_line(error), expected="owner/name"
        ) from error
    except hub_errors.RevisionNotFoundError as error:
        raise MissingInput(
            where, found="no such revision", expected="a branch, tag or commit"
        ) from error
    except hub_errors.RepositoryNotFoundError as error:
        raise MissingInput(
            where,
            found="no such repository, or no right to see it",
            fix="check the name, or set HF_TOKEN to a token of an account that may",
        ) from error
    except (_TRANSPORT, hub_errors.EntryNotFoundError, OSError, ValueError) as error:
        raise StorageError(where, found=_first_line(error), fix="try again") from error


@contextmanager
def _no_bars() -> Iterator[None]:
    """One bar for all files is enough."""
    quiet = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not quiet:
            enable_progress_bars()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
