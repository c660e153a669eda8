"""Where the files of math-rollouts lie: in a local folder, or in a hub dataset at one commit.

The layout is `<model>/<sampling>/<split>/problem_<id>/<file>`; a local folder may leave out the
level `<sampling>`. Single files are fetched as they are needed: the dataset has 19.6 GB.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from augury.errors import ConfigError, DataError, MissingInput

__all__ = ["HUB_DATASET", "FolderRollouts", "HubRollouts", "RolloutFiles", "Setting"]

HUB_DATASET = "uzaymacar/math-rollouts"
_SAMPLING = "temperature_0.6_top_p_0.95"
_PROBLEM = re.compile(r"problem_(\d{1,9})")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Setting:
    """Which model wrote the solutions, and which of them."""

    model: str
    """Folder of the model, e.g. `deepseek-r1-distill-qwen-14b`."""

    split: str
    """Folder of the solutions, e.g. `correct_base_solution`."""

    def __post_init__(self) -> None:
        """Refuse names that would leave the tree."""
        for key, name in (("model", self.model), ("split", self.split)):
            if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name):
                raise ConfigError(key, found=repr(name), expected="the name of one folder")

    @property
    def name(self) -> str:
        """Both, as ids of traces begin."""
        return f"{self.model}/{self.split}"

    def folders(self) -> tuple[str, str]:
        """Where it lies, with and without the level of the sampling."""
        return f"{self.model}/{_SAMPLING}/{self.split}", self.name


class RolloutFiles(Protocol):
    """One setting of math-rollouts."""

    @property
    def setting(self) -> Setting:
        """Which one."""
        ...

    @property
    def revision(self) -> str:
        """Commit that the files are of; empty for a folder."""
        ...

    def problem_ids(self) -> list[int]:
        """Ids of all problems, ascending."""
        ...

    def path(self, problem: int, name: str) -> Path:
        """A file of a problem on this machine, e.g. `path(330, "chunks_labeled.json")`.

        Raises:
            MissingInput: There is no such file.
        """
        ...


@dataclass(frozen=True, slots=True)
class FolderRollouts:
    """A local folder."""

    root: Path
    """Holds the folders of models."""

    setting: Setting
    revision: str = ""

    def problem_ids(self) -> list[int]:
        return _ids((path.name for path in self._folder().iterdir()), str(self._folder()))

    def path(self, problem: int, name: str) -> Path:
        path = self._folder() / f"problem_{problem}" / name
        if not path.is_file():
            raise MissingInput(str(path), found="no such file", expected="a file of math-rollouts")
        return path

    def _folder(self) -> Path:
        tried = [self.root / folder for folder in self.setting.folders()]
        for folder in tried:
            if folder.is_dir():
                return folder
        raise MissingInput(
            str(self.root),
            found="neither " + " nor ".join(str(t.relative_to(self.root)) for t in tried),
            expected="<model>/<split>/problem_<id>/",
            fix="check the folder, the model and the split in the config",
        )


@dataclass(frozen=True, slots=True)
class HubRollouts:
    """The dataset of the hub, at one commit; files stay in the hub's own cache.

    Raises:
        ConfigError: The revision is not a commit, so the same words could mean other data later.
    """

    setting: Setting
    revision: str
    dataset: str = HUB_DATASET

    def __post_init__(self) -> None:
        """Refuse a branch or a tag: both can move."""
        if not _COMMIT.fullmatch(self.revision):
            raise ConfigError(
                "revision",
                found=repr(self.revision),
                expected="a commit of 40 hexadecimal digits",
                fix=f"take one from the history of the dataset {self.dataset}",
            )

    def problem_ids(self) -> list[int]:
        from huggingface_hub import HfApi

        folder = self.setting.folders()[0]
        with _told(f"{self.dataset}@{self.revision}:{folder}"):
            entries = HfApi().list_repo_tree(
                self.dataset, folder, revision=self.revision, repo_type="dataset"
            )
            names = [PurePosixPath(entry.path).name for entry in entries]
        return _ids(names, f"{self.dataset}:{folder}")

    def path(self, problem: int, name: str) -> Path:
        from huggingface_hub import hf_hub_download

        file = f"{self.setting.folders()[0]}/problem_{problem}/{name}"
        with _told(f"{self.dataset}@{self.revision}:{file}"):
            found = hf_hub_download(self.dataset, file, revision=self.revision, repo_type="dataset")
        return Path(found)


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Turn what the hub's client raises into one line for the user."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        yield
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise MissingInput(
            where,
            found=(str(error).strip().splitlines() or [type(error).__name__])[0],
            expected="a file of the dataset",
            fix="check name, commit and network, or name a local folder",
        ) from error


def _ids(names: Iterable[str], where: str) -> list[int]:
    found = sorted(int(hit.group(1)) for name in names if (hit := _PROBLEM.fullmatch(name)))
    if not found:
        raise DataError(where, found="no problem", expected="folders problem_<id>")
    return found
