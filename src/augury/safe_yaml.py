"""YAML 1.2 as data only, within limits: no tags, no anchors, no duplicate keys, no bombs.

The reader works on the event stream, so that a refused document is never built. Plain scalars
follow the core schema of YAML 1.2: `no` is text, `1e-3` is a number, `010` is ten.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import SafeRepresenter

from augury.errors import ConfigError, MissingInput, StorageError
from augury.plain import shown

__all__ = ["Document", "parse_yaml", "read_yaml", "yaml_text"]

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_VALUES = 20_000

Key = str | int

_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_SIMPLE = re.compile(r"[A-Za-z0-9_./ -]*")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass
class Document:
    """One YAML document, and where each of its parts stands."""

    value: Any
    """Built of dict (text keys), list, str, int, float, bool and None."""

    places: dict[tuple[Key, ...], str] = field(default_factory=dict)
    """`file:line` (line from 1) of each key and list item, by its path; `()` is the whole."""


def read_yaml(path: Path) -> Document:
    """The single document in the file `path`.

    Raises:
        MissingInput: There is no such file.
        ConfigError: The file breaks a limit or is not YAML; the message begins `file:line`.
        StorageError: Reading failed.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise MissingInput(
            str(path), found="no such file", expected="a YAML file", fix="check the path"
        ) from error
    except OSError as error:
        raise StorageError(str(path), found=f"cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(str(path), found="more than 1 MiB", expected="a config of at most 1 MiB")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"a byte that is not UTF-8: 0x{data[error.start]:02x}"
        raise ConfigError(f"{path}:{line}", found=found, expected="UTF-8 text") from error
    return parse_yaml(text, source=str(path))


def parse_yaml(text: str, *, source: str) -> Document:
    """The single document in `text`; an empty text is the value None.

    Raises:
        ConfigError: The text breaks a limit or is not YAML; the message begins `source:line`.
    """
    # Longer texts arrive by the command line only, where no file limit has been applied.
    if len(text) > MAX_BYTES:
        raise ConfigError(source, found="more than 1 MiB", expected="at most 1 MiB of YAML")
    try:
        return _Builder(YAML(typ="safe", pure=True).parse(text), source).document()
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = source if mark is None else f"{source}:{mark.line + 1}"
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(where, found=problem, expected="YAML 1.2") from error
    except (ValueError, IndexError, TypeError, AttributeError, AssertionError) as error:
        if isinstance(error, ConfigError):
            raise
        # The parser itself stumbles over some malformed escapes and directives.
        found = f"not readable: {shown(str(error))}"
        raise ConfigError(source, found=found, expected="YAML 1.2") from error


def yaml_text(value: object) -> str:
    """`value` (plain data) as YAML that `parse_yaml` reads back as the same value."""
    writer = YAML(typ="safe", pure=True)
    writer.Representer = _Representer
    writer.default_flow_style = False
    writer.allow_unicode = True
    writer.width = 1 << 20
    writer.representer.sort_base_mapping_type_on_output = False
    stream = io.StringIO()
    writer.dump(value, stream)
    return stream.getvalue()


class _Representer(SafeRepresenter):
    """Writes plain data; a class of its own, because representers are registered by class."""

    def ignore_aliases(self, data: object) -> bool:
        """Write shared parts out: our reader takes no aliases."""
        return True

    def represent_text(self, text: str) -> ScalarNode:
        """Quote all but simple text; only double quotes escape every line break of Unicode."""
        style = None if _SIMPLE.fullmatch(text) else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Representer.add_representer(str, _Representer.represent_text)


class _Builder:
    """Builds one document from its events; recursion is bounded by `MAX_DEPTH`."""

    def __init__(self, events: Iterator[Event], source: str) -> None:
        self.events = events
        self.source = source
        self.count = 0
        self.places: dict[tuple[Key, ...], str] = {(): source}

    def document(self) -> Document:
        """The only document of the stream."""
        next(self.events)
        start = next(self.events)
        if isinstance(start, StreamEndEvent):
            return Document(None, self.places)
        self._check_header(start)
        value = self._value(next(self.events), ())
        next(self.events)
        after = next(self.events)
        if not isinstance(after, StreamEndEvent):
            raise self._fault(after, (), "a second document", "one document")
        return Document(value, self.places)

    def _check_header(self, event: Event) -> None:
        if isinstance(event, DocumentStartEvent):
            if event.version is not None and tuple(event.version) != (1, 2):
                raise self._fault(event, (), "a %YAML directive", "YAML 1.2")
            if event.tags:
                raise self._fault(event, (), "a %TAG directive", "plain data")

    def _value(self, event: Event, path: tuple[Key, ...]) -> object:
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            raise self._fault(event, path, "an anchor or alias", "plain data, written out")
        if tag := getattr(event, "tag", None):
            raise self._fault(event, path, f"the tag {shown(str(tag))}", "plain data")
        self.count += 1
        if self.count > MAX_VALUES:
            raise self._fault(event, (), "too many values", f"at most {MAX_VALUES} keys and values")
        if len(path) > MAX_DEPTH:
            raise self._fault(event, path[:4], "too many levels", f"at most {MAX_DEPTH} levels")
        if isinstance(event, ScalarEvent):
            return self._scalar(event, path)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path)
        if isinstance(event, MappingStartEvent):
            return self._mapping(path)
        raise self._fault(event, path, "an unexpected end", "a value")

    def _sequence(self, path: tuple[Key, ...]) -> list[object]:
        items: list[object] = []
        while not isinstance(event := next(self.events), SequenceEndEvent):
            here = (*path, len(items))
            self.places[here] = self._place(event)
            items.append(self._value(event, here))
        return items

    def _mapping(self, path: tuple[Key, ...]) -> dict[str, object]:
        items: dict[str, object] = {}
        while not isinstance(event := next(self.events), MappingEndEvent):
            key = self._value(event, (*path, "?")) if isinstance(event, ScalarEvent) else None
            if not isinstance(key, str):
                raise self._fault(event, path, f"the key {_key_text(event)}", "keys that are text")
            here = (*path, key)
            if key in items:
                raise self._fault(event, here, "a duplicate key", "each key once")
            self.places[here] = self._place(event)
            items[key] = self._value(next(self.events), here)
        return items

    def _scalar(self, event: ScalarEvent, path: tuple[Key, ...]) -> object:
        text: str = event.value
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise self._fault(event, path, "a lone surrogate", "text that UTF-8 can carry")
        if not event.implicit[0]:
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _DECIMAL.fullmatch(text) and len(text) <= 100:
            return int(text)
        if _OTHER_BASE.fullmatch(text) and len(text) <= 100:
            return int(text, 0)
        if _NOT_FINITE.fullmatch(text) or _FLOAT.fullmatch(text):
            return self._finite(event, path)
        return text

    def _finite(self, event: ScalarEvent, path: tuple[Key, ...]) -> float:
        text = event.value
        if _NOT_FINITE.fullmatch(text) or not math.isfinite(float(text)):
            raise self._fault(event, path, f"the number {shown(text)}", "a finite number")
        return float(text)

    def _place(self, event: Event) -> str:
        return f"{self.source}:{event.start_mark.line + 1}"

    def _fault(self, event: Event, path: tuple[Key, ...], found: str, expected: str) -> ConfigError:
        key = ".".join(map(str, path))
        where = f"{self._place(event)}: {shown(key)[1:-1]}" if key else self._place(event)
        return ConfigError(where, found=found, expected=expected)


def _key_text(event: Event) -> str:
    return shown(event.value) if isinstance(event, ScalarEvent) else "made of several values"
