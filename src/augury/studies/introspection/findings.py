"""All that the analyses found, part by part: each is kept by itself, and not made twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from augury.models.load import LoadedModel
from augury.plain import fingerprint
from augury.runs.atomic import write_json
from augury.studies.introspection.analysis_config import AnalysisConfig
from augury.studies.introspection.causal import CausalResult, intervene
from augury.studies.introspection.directions import AgreementResult, TransferResult, transfer_grid
from augury.studies.introspection.fine_tuning import Calibration, calibration
from augury.studies.introspection.probing import probe_grid
from augury.studies.introspection.questions import Questions
from augury.studies.introspection.records import ProbeResult
from augury.studies.introspection.self_other import SelfOther, self_and_other
from augury.studies.introspection.similarity import Likeness, likenesses

__all__ = ["Findings", "OpenModel", "find", "read_findings"]

T = TypeVar("T")

OpenModel = Callable[[str], AbstractContextManager[LoadedModel]]
"""Gives the model of a name, `base` or `adapter`, for the length of a block."""

_POSITION = "final"
Transfers = tuple[list[TransferResult], list[AgreementResult]]


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that was found; the report and the figures are made of this alone."""

    probes: list[ProbeResult]
    transfers: list[TransferResult]
    agreements: list[AgreementResult]
    self_other: list[SelfOther]
    likenesses: list[Likeness]
    calibration: Calibration
    causal: list[CausalResult]


def find(
    questions: Questions,
    config: AnalysisConfig,
    folder: Path,
    *,
    identity: str,
    open_model: OpenModel | None = None,
) -> Findings:
    """Make every part that is not in the folder yet.

    Args:
        questions: The collection.
        config: How it is analysed.
        folder: Where parts are kept as JSON.
        identity: Of the collection; parts of another one, or of another config, are made anew.
        open_model: Without it, or where the config says so, nothing is patched or steered.
    """

    def part(name: str, kind: Any, work: Callable[[], T], of: object) -> T:
        path, stamp = folder / f"{name}.json", fingerprint([identity, of])
        adapter = TypeAdapter(kind)
        if path.is_file():
            stored = json.loads(path.read_bytes())
            if stored["identity"] == stamp:
                kept: T = adapter.validate_python(stored["found"])
                return kept
        found = work()
        write_json(path, {"identity": stamp, "found": adapter.dump_python(found, mode="json")})
        return found

    plain = config.model_dump(mode="json", exclude={"causal"})
    probes = part("probes", list[ProbeResult], lambda: probe_grid(questions, config), plain)
    transfers, agreements = part(
        "directions",
        Transfers,
        lambda: transfer_grid(questions, config, position=_POSITION),
        plain,
    )
    return Findings(
        probes,
        transfers,
        agreements,
        part("self_other", list[SelfOther], lambda: self_and_other(questions, config), plain),
        part("likeness", list[Likeness], lambda: likenesses(questions, config), plain),
        part("calibration", Calibration, lambda: calibration(questions, config), plain),
        part(
            "causal",
            list[CausalResult],
            lambda: _interventions(questions, config, probes, open_model),
            config.model_dump(mode="json"),
        ),
    )


def read_findings(folder: Path) -> Findings:
    """Read what `find` kept."""

    def part(name: str, kind: Any) -> Any:
        return TypeAdapter(kind).validate_python(
            json.loads((folder / f"{name}.json").read_bytes())["found"]
        )

    transfers, agreements = part("directions", Transfers)
    return Findings(
        part("probes", list[ProbeResult]),
        transfers,
        agreements,
        part("self_other", list[SelfOther]),
        part("likeness", list[Likeness]),
        part("calibration", Calibration),
        part("causal", list[CausalResult]),
    )


def _interventions(
    questions: Questions,
    config: AnalysisConfig,
    probes: list[ProbeResult],
    open_model: OpenModel | None,
) -> list[CausalResult]:
    if open_model is None or not config.causal.enabled:
        return []
    out = []
    for model in questions.collected.models:
        with open_model(model) as loaded:
            found = intervene(questions, model, loaded, probes, config)
        out += [] if found is None else [found]
    return out
