"""augury: what a language model is about to do, from its hidden states, before it does it.

Importing the package loads no model library; the names below are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augury.activations.extract import extract
    from augury.activations.plan import ReadingPlan
    from augury.activations.store import Store
    from augury.models.load import ModelConfig, load_model, load_tokenizer
    from augury.probes.bundle import load_bundle
    from augury.probes.grid import fit_logistic_grid
    from augury.studies.viewing import view
    from augury.traces.tokens import tokenise
    from augury.traces.trace import Origin, Span, Trace

__version__ = "0.1.0"

__all__ = [
    "ModelConfig",
    "Origin",
    "ReadingPlan",
    "Span",
    "Store",
    "Trace",
    "extract",
    "fit_logistic_grid",
    "load_bundle",
    "load_model",
    "load_tokenizer",
    "tokenise",
    "view",
]

_HOME = {
    "ModelConfig": "models.load",
    "Origin": "traces.trace",
    "ReadingPlan": "activations.plan",
    "Span": "traces.trace",
    "Store": "activations.store",
    "Trace": "traces.trace",
    "extract": "activations.extract",
    "fit_logistic_grid": "probes.grid",
    "load_bundle": "probes.bundle",
    "load_model": "models.load",
    "load_tokenizer": "models.load",
    "tokenise": "traces.tokens",
    "view": "studies.viewing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'augury' has no attribute {name!r}")
    return getattr(import_module(f"augury.{_HOME[name]}"), name)
