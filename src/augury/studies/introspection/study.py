"""Does confidence follow what the model knows, and does fine-tuning change it?

After "Activation Collection for Introspection Experiments" (`docs/from-the-seeds.md`): a model, and
the same model with an adapter, answer multiple-choice questions, say how sure they are, and say how
many people would be right, in three separate passes over the same tokens.
"""

from __future__ import annotations

from augury.runs.stages import Stage
from augury.studies.introspection import (
    analyse,
    checks,
    collect,
    comparison_page,
    inspection,
    report,
)
from augury.studies.introspection.config import IntrospectionConfig
from augury.studies.study import Study, config_parts

__all__ = ["STUDY"]

STUDY: Study[IntrospectionConfig] = Study(
    name="introspection",
    question="Does confidence follow what the model knows, and does fine-tuning change it?",
    config=IntrospectionConfig,
    stages=(
        Stage(
            "collect",
            collect.collect,
            config_parts(
                "model",
                "only",
                "questions",
                "prompting",
                "confidence",
                "passes",
                "states",
                "split",
                "gate",
            ),
            outputs=("data/items", "data/prompts", collect.COLLECTED, collect.SYMBOLS),
        ),
        Stage(
            "inspect",
            inspection.inspect,
            config_parts("show_examples"),
            after=("collect",),
            outputs=(inspection.INSPECTION, inspection.EXAMPLES),
        ),
        Stage(
            "compare",
            comparison_page.compare_models,
            config_parts("only"),
            after=("collect",),
            outputs=(comparison_page.COMPARISON,),
        ),
        Stage(
            "analyse",
            analyse.analyse_run,
            config_parts("analysis"),
            after=("collect",),
            outputs=(analyse.ANALYSIS,),
        ),
        Stage(
            "report",
            report.make_report,
            lambda config: config.model_dump(mode="json"),
            after=("collect", "inspect", "compare", "analyse"),
            outputs=("report.html", "report.md", "figures"),
        ),
    ),
    conclude=report.conclude,
    examine=collect.examine_passes,
    tripwires=checks.tripwires,
    verify=checks.verify,
    view=checks.view,
    estimate=collect.cost,
    tell={"inspect": inspection.told},
    failures=checks.failures,
)
