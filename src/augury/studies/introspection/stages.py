"""The steps between collecting and reporting, as stages call them."""

from __future__ import annotations

from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.studies.introspection.collection import Collection
from augury.studies.introspection.comparison import Side, compare_sides, write_comparison
from augury.studies.introspection.config import IntrospectionConfig

__all__ = ["COMPARISON", "compare_models"]

COMPARISON = "results/compare.json"


def compare_models(run: Run, config: IntrospectionConfig) -> dict[str, object]:
    """Compare adapter and base of one run; an empty comparison where there is one model alone."""
    if len(config.models) < 2:
        write_json(run.path / COMPARISON, {})
        return {}
    collection = Collection(run)
    base, adapter = (Side(model, collection, model) for model in ("base", "adapter"))
    write_comparison(compare_sides(base, adapter), run.path)
    return {"compared": ["base", "adapter"]}
