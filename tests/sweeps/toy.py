"""A study of four fast stages, which note when they work: what sweeps are tested on in seconds."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from augury.activations.plan import ReadingPlan
from augury.config import Config
from augury.errors import DataError, StorageError
from augury.evaluate.standing import Standing
from augury.evaluate.tripwires import Tripwire
from augury.models.load import ModelConfig
from augury.rollouts.estimate import RolloutEstimate
from augury.runs.atomic import write_text
from augury.runs.folder import Run
from augury.runs.stages import Stage
from augury.studies.registry import STUDIES
from augury.studies.study import Study, SweepPart, config_parts


class ToyConfig(Config):
    """What its stages depend on."""

    log: str
    model: ModelConfig = ModelConfig(name="organism")
    reading: ReadingPlan = ReadingPlan(sites=("resid.0",))
    ground: str = ""
    """Name of a text beside the log that is made outside of the runs; none where it is empty."""

    label: str = "wait"
    percentile: int = 90
    strength: float = 1.0
    seed: int = 0
    wire: bool = True
    fault: str = ""
    """`data`: the fit fails each time; `disk`: the first time; `bug`: by no error of ours;
    `ground`: what is made outside of the runs cannot be made."""

    pause: float = 0.0
    """Seconds that a fit takes."""


@dataclass(frozen=True)
class Ground:
    """A text that runs read; every word of it takes a while."""

    config: ToyConfig

    @property
    def key(self) -> str:
        return self.config.ground

    @property
    def name(self) -> str:
        return f"ground {self.config.ground}"

    @property
    def path(self) -> Path:
        return Path(self.config.log).with_name(f"ground-{self.config.ground}.txt")

    def is_made(self) -> bool:
        return self.path.is_file()

    def make(self) -> None:
        with Path(self.config.log).open("a") as file:
            file.write(f"ground:{self.config.ground}\n")
        if self.config.fault == "ground":
            raise DataError("ground", found="nothing to stand on", expected="ground")
        write_text(self.path, self.config.ground)

    def estimate(self) -> RolloutEstimate:
        return RolloutEstimate(1, 1, 1, read=7, written=10, bytes=10_000_000, seconds=90.0)


def ground_of(config: ToyConfig) -> Ground | None:
    """What the config reads and the toy makes outside of its runs."""
    return Ground(config) if config.ground else None


def _read_inputs(config: ToyConfig) -> Mapping[str, object]:
    ground = ground_of(config)
    text = ground.path.read_text() if ground and ground.is_made() else ""
    return {**config_parts("model", "reading", "ground")(config), "text": text}


def works_of(log: Path) -> list[str]:
    """Every execution of a stage, oldest first."""
    return log.read_text().split() if log.is_file() else []


def _note(config: ToyConfig, run: Run, stage: str) -> None:
    with Path(config.log).open("a") as file:
        file.write(f"{stage}:{run.name}\n")


def _read(run: Run, config: ToyConfig) -> Mapping[str, object]:
    _note(config, run, "read")
    # long enough to be linked rather than copied
    write_text(run.data / "states" / "big.txt", " ".join(config.reading.sites) * 300_000)
    return {}


def _fit(run: Run, config: ToyConfig) -> Mapping[str, object]:
    _note(config, run, "fit")
    time.sleep(config.pause)
    if config.fault == "data":
        raise DataError("label", found="nothing to fit", expected="rows")
    if config.fault == "disk" and works_of(Path(config.log)).count(f"fit:{run.name}") == 1:
        raise StorageError("disk", found="was full for a moment")
    if config.fault == "bug":
        raise RuntimeError("no error of ours")
    write_text(run.data / "fit.txt", f"{config.label} {config.strength} {config.seed}")
    return {}


def _judge(run: Run, config: ToyConfig) -> Mapping[str, object]:
    _note(config, run, "judge")
    write_text(run.results / "judged.txt", f"{config.percentile}")
    return {}


def _late(run: Run, config: ToyConfig) -> Mapping[str, object]:
    _note(config, run, "late")
    return {}


def standings(run: Run, config: ToyConfig) -> Sequence[Standing]:
    """Scores that follow from the config alone; stronger is better on validation."""
    found = []
    for site in config.reading.sites:
        rng = np.random.default_rng([config.seed, len(site), int(config.strength * 10)])
        scores = rng.random(12) * 0.2 + 0.1 * config.strength
        groups = {f"group {n}": float(score) for n, score in enumerate(scores)}
        found.append(
            Standing(
                question={"label": config.label, "percentile": config.percentile},
                model=config.model.name,
                setting="toy",
                target=f"{config.label} p{config.percentile}",
                metric="average precision",
                sees="states",
                predictor=site,
                site=site,
                validation=groups,
                test={name: value + 0.01 for name, value in groups.items()},
                baseline="position",
                baseline_test=dict.fromkeys(groups, 0.2),
                verdict="not predictive",
            )
        )
    return found


def tripwires(run: Run) -> Sequence[Tripwire]:
    """Touched where the config says so."""
    passed = "wire: true" in run.config_path.read_text()
    return [Tripwire("shuffled labels predict nothing", passed, 0.0, 0.01, "a detail")]


STUDY: Study[ToyConfig] = Study(
    name="toy",
    question="Do sweeps work?",
    config=ToyConfig,
    stages=(
        Stage("read", _read, _read_inputs, outputs=("data/states",)),
        Stage(
            "fit",
            _fit,
            config_parts("label", "strength", "seed", "fault", "pause"),
            after=("read",),
            outputs=("data/fit.txt",),
        ),
        Stage(
            "judge",
            _judge,
            config_parts("percentile", "wire"),
            after=("fit",),
            outputs=("results/judged.txt",),
        ),
        Stage("late", _late, lambda _: {}, after=("judge",)),
    ),
    conclude=lambda run: ["verdict toy"],
    examine=lambda config: [],
    tripwires=tripwires,
    verify=lambda run, config: [],
    view=lambda run, config, names: None,  # type: ignore[arg-type, return-value]
    sweep=SweepPart(
        judged="judge",
        standings=standings,
        shared=("read", "fit"),
        reads="read",
        material=ground_of,
    ),
)


def register() -> None:
    """Make `toy` a study of this process."""
    STUDIES["toy"] = "tests.sweeps.toy"


def write_sweep(folder: Path, text: str) -> Path:
    """A sweep over the toy, its log in the folder of its file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "base.yaml").write_text(f"log: {folder / 'log.txt'}\n")
    path = folder / "sweep.yaml"
    path.write_text(f"study: toy\nconfig: base.yaml\n{text}")
    return path


DRIVER = """
import sys
from pathlib import Path
from tests.sweeps.toy import register
from augury.cli import main
register()
sys.argv = ["augury", *sys.argv[1:]]
main()
"""
"""`augury`, with the toy among its studies."""
