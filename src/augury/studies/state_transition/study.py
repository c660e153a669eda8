"""What makes the model backtrack: where is it decided, what causes it, does the format matter?

After "Backtracking State Transition Pipeline" (`docs/from-the-seeds.md`): the model writes, events
are found, a lens and a scan say where they are decided, and ablation, steering and formats whether
that is a cause. Steps have the names of the first version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.runs.stages import Stage
from augury.studies.state_transition import (
    ablation,
    baseline,
    checks,
    conditions,
    events,
    facts,
    formatting,
    lens,
    problems,
    report,
    steering,
    sweeps,
)
from augury.studies.state_transition.config import StateTransitionConfig
from augury.studies.study import Study, config_parts

__all__ = ["STUDY"]

Work = Callable[[Run, StateTransitionConfig], Mapping[str, object] | None]


def _stage(
    name: str,
    work: Work,
    inputs: tuple[str, ...],
    after: tuple[str, ...] = (),
    outputs: tuple[str, ...] = (),
) -> Stage[StateTransitionConfig]:
    """A step that keeps its facts in the run."""

    def done(run: Run, config: StateTransitionConfig) -> Mapping[str, object]:
        found = work(run, config) or {}
        write_json(run.path / facts.keep(name), found)
        return found

    return Stage(name, done, config_parts(*inputs), after, (*outputs, facts.keep(name)))


_TEXTS = ("prepare-data", "generate", "detect-events")

STUDY: Study[StateTransitionConfig] = Study(
    name="state-transition",
    question="What makes the model backtrack: place, cause, format?",
    config=StateTransitionConfig,
    stages=(
        _stage(
            "prepare-data",
            problems.prepare,
            ("model", "dataset", "prompting"),
            outputs=(problems.PROBLEMS, problems.PROMPTS),
        ),
        _stage(
            "generate",
            baseline.generate,
            ("model", "generation", "prompting"),
            ("prepare-data",),
        ),
        _stage(
            "detect-events",
            events.detect,
            ("detection", "analysis"),
            ("prepare-data", "generate"),
            (events.EVENTS, events.ALL_EVENTS, events.SUMMARY),
        ),
        _stage("logit-lens", lens.look, ("model", "analysis"), _TEXTS, (lens.LENS, lens.PAIRS)),
        _stage(
            "ablation-scan",
            ablation.ablation_scan,
            ("model", "analysis", "ablation"),
            _TEXTS,
            (ablation.IMPORTANCE, ablation.SELECTED, ablation.REFERENCE),
        ),
        _stage(
            "generate-targeted",
            conditions.ablate_targeted,
            ("model", "generation", "ablation"),
            (*_TEXTS, "ablation-scan"),
        ),
        _stage(
            "generate-random",
            conditions.ablate_random,
            ("model", "generation", "ablation"),
            (*_TEXTS, "ablation-scan"),
        ),
        _stage(
            "compare-conditions",
            conditions.compare,
            ("ablation", "detection"),
            ("generate-targeted", "generate-random"),
            (conditions.COMPARISON, conditions.CONDITION_EVENTS, conditions.HOOKS),
        ),
        _stage(
            "formatting-sweep",
            formatting.sweep_formats,
            ("analysis", "detection"),
            _TEXTS,
            (formatting.FORMATS,),
        ),
        _stage(
            "steering",
            steering.steer_own_direction,
            ("model", "generation", "steering", "steering_site", "ablation"),
            (*_TEXTS, "ablation-scan"),
            (steering.CURVE, steering.DRAWS),
        ),
        _stage(
            "subset-sweep",
            sweeps.sweep_subsets,
            ("model", "generation", "ablation", "sweeps"),
            (*_TEXTS, "ablation-scan"),
            (sweeps.SUBSETS,),
        ),
        _stage(
            "scale-sweep",
            sweeps.sweep_scales,
            ("model", "generation", "ablation", "sweeps"),
            (*_TEXTS, "ablation-scan"),
            (sweeps.SCALES,),
        ),
        _stage(
            "continuation-ablation",
            sweeps.continue_ablated,
            ("model", "generation", "ablation", "sweeps"),
            (*_TEXTS, "ablation-scan"),
            (sweeps.CONTINUATION,),
        ),
        Stage(
            "make-report",
            report.make_report,
            lambda config: config.model_dump(mode="json"),
            after=facts.STEPS,
            outputs=("report.html", "report.md", "figures"),
        ),
    ),
    conclude=report.conclude,
    examine=checks.examine,
    tripwires=checks.tripwires,
    verify=checks.verify,
    view=checks.view,
)
