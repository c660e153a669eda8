"""Study: a recipe with one question, its config, its stages and its conclusion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from augury.config import Config, load_config
from augury.evaluate.group_scores import GroupResult
from augury.evaluate.records import CellResult
from augury.evaluate.standing import Standing
from augury.evaluate.tripwires import Tripwire
from augury.report.token_view import TokenView
from augury.runs.folder import Run, create_run, open_run, stored_config_text
from augury.runs.stages import PlannedStage, Stage, StageResult, plan_stages, run_stages
from augury.studies.shipped import configs_folder, named_file

__all__ = ["Cost", "Material", "Study", "SweepPart", "config_parts"]

C = TypeVar("C", bound=Config)


class Cost(Protocol):
    """What something will cost, such as `activations.estimate.Estimate`."""

    @property
    def bytes(self) -> int:
        """On disk."""

    @property
    def seconds(self) -> float:
        """On this machine."""

    def lines(self) -> list[str]:
        """In words."""


class Material(Protocol):
    """What runs read and their study makes itself, outside of them: once, for all that read it."""

    @property
    def key(self) -> str:
        """What decides it; of two with equal keys only one is made."""

    @property
    def name(self) -> str:
        """For messages, such as `rollouts organism/base_solution`."""

    def is_made(self) -> bool:
        """Whether all of it is there; no model is loaded for that."""

    def make(self) -> object:
        """Make what is missing of it; goes on where an earlier call stopped."""

    def estimate(self) -> Cost:
        """What making it from the start costs; nothing is written."""


@dataclass(frozen=True)
class SweepPart(Generic[C]):
    """What a sweep over the configs of a study needs to know."""

    judged: str
    """Stage after which there are standings; what comes behind it is left out of a sweep."""

    standings: Callable[[Run, C], Sequence[Standing]]
    """Of a run whose stage `judged` is done; never empty."""

    shared: tuple[str, ...] = ()
    """Stages whose `outputs` are all that they write, so that other runs may take them over."""

    reads: str | None = None
    """The one of them that runs the model over the texts; None where none does."""

    material: Callable[[C], Material | None] | None = None
    """What the runs of a config read and the study makes outside of them; the inputs of the stages
    that read it have to tell its content. None where there is no such thing."""


@dataclass(frozen=True)
class Study(Generic[C]):
    """What `augury run NAME` executes."""

    name: str
    question: str
    """The question in one sentence."""

    config: type[C]
    stages: tuple[Stage[C], ...]
    """In order; each names the stages whose outputs it reads."""

    conclude: Callable[[Run], Sequence[str]]
    """Lines to print when the run is complete: the verdict, and where the report is."""

    examine: Callable[[C], Sequence[str]]
    """Check, on a sample of the job, that what would be read is what the model computes; lines."""

    tripwires: Callable[[Run], Sequence[Tripwire]]
    """What the run's tripwires measured; the report tells it too."""

    verify: Callable[[Run, C], Sequence[str]]
    """Reproduce the stored test scores from the saved probes; lines."""

    view: Callable[[Run, C, Sequence[str]], TokenView]
    """Named traces (some, where none is named) with their tokens coloured by the probes."""

    judge: Callable[[Run, C], Sequence[CellResult]] | None = None
    """Judge the saved scores again without a model, and compare with the stored results; None where
    a study saves no scores."""

    judge_within: Callable[[Run, C], Sequence[GroupResult]] | None = None
    """The same, of a study whose scores are judged within groups."""

    estimate: Callable[[C], Cost] | None = None
    """What its reading will cost; None where that follows from the config's `job` alone."""

    tell: Mapping[str, Callable[[Run], Sequence[str]]] = field(default_factory=dict)
    """Lines to print when only the stage of that name was asked for."""
    failures: Callable[[Run], Sequence[str]] | None = None
    """What a finished run left out, and why; None where a study leaves nothing out."""

    misplaced: Callable[[Run, C], Sequence[str]] | None = None
    """Spans that only this study keeps, and that do not read back as what they cover."""

    sweep: SweepPart[C] | None = None
    """How runs of it are compared; without it a sweep runs every stage, and ranks nothing."""

    default: str = "organism"
    """Config that is used when none is named: `configs/<study>/<default>.yaml`."""

    def read_config(self, path: Path | None, overrides: Sequence[str]) -> C:
        """The config that `find_config` finds, with overrides."""
        return load_config(self.config, self.find_config(path), overrides)

    def find_config(self, path: Path | None) -> Path:
        """The file that is meant: the default one for None, a shipped one by its bare name.

        Raises:
            MissingInput: A bare name is neither a file here nor a shipped config.
        """
        return self.default_config() if path is None else named_file(path, self.name)

    def default_config(self) -> Path:
        """Where the default config is."""
        return configs_folder() / self.name / f"{self.default}.yaml"

    def start(self, root: Path, config: C, name: str | None) -> Run:
        """Create the folder of a new run."""
        return create_run(root, self.name, config, name)

    def open(self, root: Path, name: str) -> tuple[Run, C]:
        """An existing run and the config that it was started with."""
        run = open_run(root, self.name, name)
        stored_config_text(run)
        return run, load_config(self.config, run.config_path)

    def plan(self, run: Run, config: C, *, only: str | None = None) -> list[PlannedStage]:
        """What executing would do, and why."""
        return plan_stages(run, config, self.stages, only=only)

    def execute(self, run: Run, config: C, *, only: str | None = None) -> list[StageResult]:
        """Run the stages that are not done."""
        return run_stages(run, config, self.stages, only=only)


def config_parts(*names: str) -> Callable[[Config], Mapping[str, object]]:
    """What a stage depends on: these parts of the config."""

    def parts(config: Config) -> Mapping[str, object]:
        whole = config.model_dump(mode="json")
        return {name: whole[name] for name in names}

    return parts
