"""Configs: frozen, closed, documented under the field, read from YAML with overrides.

Order of precedence, low to high: defaults in the class, the file, overrides. A mapping that
gives a part of a sub-config changes that part of its default and leaves the rest.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from augury.errors import ConfigError
from augury.plain import difference_table, fingerprint, shown
from augury.safe_yaml import Document, Key, parse_yaml, read_yaml, yaml_text

__all__ = [
    "Config",
    "build_config",
    "difference_table",
    "dump_yaml",
    "fingerprint",
    "load_config",
    "read_document",
]


class Config(BaseModel):
    """Base of every config: frozen, no unknown keys, only finite numbers."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )


C = TypeVar("C", bound=Config)


def load_config(kind: type[C], path: Path | None, overrides: Sequence[str] = ()) -> C:
    """Read, override and check a config; types are strict (`"1"` is not a number).

    Args:
        kind: The class to build.
        path: A YAML file, or None for the defaults.
        overrides: `"a.b=value"`, the value in YAML; later ones win.

    Raises:
        ConfigError: All faults in one message, as `file:line: key: found; expected`; an unknown
            key is told with the nearest known one.
        MissingInput: `path` does not exist.
    """
    document = read_document(path)
    for override in overrides:
        name, equals, text = override.partition("=")
        if not equals or not _keys(name):
            where = f"override {shown(override)}"
            raise ConfigError(where, found="no 'key=value'", expected="for example probes.l2=0.1")
        _apply(document, name, parse_yaml(text, source=_override(name)).value)
    return _checked(kind, document)


def read_document(path: Path | None) -> Document:
    """The mapping in a YAML file, or an empty one, for many configs that begin with it.

    Raises:
        ConfigError: It is no YAML, or no mapping.
        MissingInput: `path` does not exist.
    """
    document = Document({}, {(): "defaults"}) if path is None else read_yaml(path)
    if document.value is None:
        document.value = {}
    if not isinstance(document.value, dict):
        found = f"a {type(document.value).__name__}"
        raise ConfigError(document.places[()], found=found, expected="a mapping of keys to values")
    return document


def build_config(kind: type[C], document: Document, values: Mapping[str, Any]) -> C:
    """`load_config` of a document that was read already, and of values in plain form.

    Args:
        kind: The class to build.
        document: As `read_document` gives it; it stays as it is.
        values: By key, such as `a.b`.

    Raises:
        ConfigError: As `load_config`.
    """
    own = deepcopy(document)
    for name, value in values.items():
        _apply(own, name, value)
    return _checked(kind, own)


def _checked(kind: type[C], document: Document) -> C:
    value = _onto_defaults(kind, document.value)
    try:
        return kind.model_validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        raise _as_one_error(kind, document, error) from error


def dump_yaml(config: Config) -> str:
    """All fields as YAML; `load_config` reads it back as an equal config."""
    return yaml_text(config.model_dump(mode="json"))


def _keys(name: str) -> tuple[str, ...]:
    """The parts of a dotted key; none where one of them is empty."""
    keys = tuple(name.strip().split("."))
    return keys if all(keys) else ()


def _override(name: str) -> str:
    return f"override {shown(name.strip())[1:-1]}"


def _apply(document: Document, name: str, value: object) -> None:
    keys, place = _keys(name), _override(name)
    if not keys:
        raise ConfigError(place, found="an empty key", expected="for example probes.l2")
    target: dict[str, Any] = document.value  # type: ignore[assignment]
    for i, key in enumerate(keys[:-1]):
        inner = target.setdefault(key, {})
        if inner is None:
            inner = target[key] = {}
        if not isinstance(inner, dict):
            found = f"{'.'.join(keys[: i + 1])} is {shown(inner)}"
            raise ConfigError(place, found=found, expected="a section with keys")
        document.places.setdefault(keys[: i + 1], place)
        target = inner
    target[keys[-1]] = value
    for old in [path for path in document.places if path[: len(keys)] == keys]:
        del document.places[old]
    document.places[keys] = place


def _onto_defaults(kind: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(given)
    for name, field in kind.model_fields.items():
        default = _default(field)
        if isinstance(default, Config) and isinstance(given.get(name), dict):
            merged[name] = _merged(default, given[name])
    return merged


def _merged(default: Config, given: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(given)
    if "kind" in given and given["kind"] != getattr(default, "kind", None):
        # Another member of a union: the default's other fields do not belong to it.
        return merged
    for name in type(default).model_fields:
        value = getattr(default, name)
        if name not in given:
            # The tag of a union is needed even where the default left it to its class.
            if name in default.model_fields_set or name == "kind":
                merged[name] = default.model_dump(mode="json", include={name})[name]
        elif isinstance(value, Config) and isinstance(given[name], dict):
            merged[name] = _merged(value, given[name])
    return merged


def _default(field: FieldInfo) -> object:
    if field.default_factory is not None and field.default_factory_takes_validated_data:
        return None
    return field.get_default(call_default_factory=True)


def _as_one_error(kind: type[BaseModel], document: Document, error: ValidationError) -> ConfigError:
    faults = [_fault(kind, document, dict(fault)) for fault in error.errors(include_url=False)]
    if len(faults) == 1:
        where, found, expected = faults[0]
        return ConfigError(where, found=found, expected=expected)
    lines = [f"  {where}: {found}; expected {expected}" for where, found, expected in faults]
    found = "\n".join([f"{len(faults)} faults", *lines])
    return ConfigError(document.places.get((), "config"), found=found)


def _fault(
    kind: type[BaseModel], document: Document, fault: Mapping[str, Any]
) -> tuple[str, str, str]:
    loc: tuple[Key, ...] = fault["loc"]
    path = _real_path(document.value, loc)
    is_missing = fault["type"] == "missing"
    place = next(
        document.places[path[:n]] for n in range(len(path), -1, -1) if path[:n] in document.places
    )
    key = ".".join(map(str, (*path, loc[-1]) if is_missing else path))
    where = f"{place}: {shown(key)[1:-1]}" if key and not place.endswith(f" {key}") else place
    if is_missing:
        return where, "missing", "a value"
    if fault["type"] == "extra_forbidden":
        return where, "unknown key", _nearest(kind, path[:-1], str(loc[-1]))
    expected = str(fault["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    return where, shown(fault["input"]), expected


def _real_path(value: object, loc: tuple[Key, ...]) -> tuple[Key, ...]:
    # A location also names union members, which are not keys of the file.
    path: list[Key] = []
    for key in loc:
        if (isinstance(value, dict) and key in value) or (
            isinstance(value, list) and isinstance(key, int) and key < len(value)
        ):
            value = value[key]  # type: ignore[index]
            path.append(key)
    return tuple(path)


def _nearest(kind: type[BaseModel], prefix: tuple[Key, ...], name: str) -> str:
    models = [kind]
    for key in prefix:
        fields = [model.model_fields[str(key)] for model in models if key in model.model_fields]
        if fields:
            models = [found for field in fields for found in _models_in(field.annotation)]
    here = sorted({field for model in models for field in model.model_fields})
    elsewhere: dict[str, str] = {}
    for path in _all_keys(kind):
        elsewhere.setdefault(path.rpartition(".")[2], path)
    # A good match on this level first, then a key that slipped to the wrong level, then a guess.
    if near := difflib.get_close_matches(name, here, n=1, cutoff=0.6):
        return f"'{'.'.join(map(str, (*prefix, near[0])))}', the nearest known key"
    if near := difflib.get_close_matches(name, elsewhere, n=1, cutoff=0.8):
        return f"'{elsewhere[near[0]]}', the nearest known key"
    if near := difflib.get_close_matches(name, here, n=1, cutoff=0.4):
        return f"'{'.'.join(map(str, (*prefix, near[0])))}', the nearest known key"
    return f"one of: {', '.join(here)}"


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _all_keys(kind: type[BaseModel], prefix: str = "", depth: int = 0) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        yield f"{prefix}{name}"
        if depth < 6:
            for model in _models_in(field.annotation):
                yield from _all_keys(model, f"{prefix}{name}.", depth + 1)
