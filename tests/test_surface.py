from __future__ import annotations

import ast
import pickle
from pathlib import Path

import pytest

import augury
from augury import errors

SOURCE = Path(augury.__file__).parent
FORBIDDEN = (
    "import pickle",
    "torch.load(",
    "allow_pickle=True",
    "yaml.load(",
    "shell=True",
    "eval(",
)


def test_the_public_names_are_sorted_few_and_importable() -> None:
    assert augury.__all__ == sorted(augury.__all__) and len(augury.__all__) <= 25
    for name in augury.__all__:
        assert getattr(augury, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        augury.nothing  # noqa: B018


@pytest.mark.parametrize("name", [n for n in errors.__all__ if n != "AuguryError"])
def test_errors_say_where_found_expected_and_fix_and_survive_pickling(name: str) -> None:
    kind = getattr(errors, name)
    error = kind("file:3", found="a", expected="b", fix="do c")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == "file:3: a; expected b; fix: do c"
    assert type(again) is kind and isinstance(error, errors.AuguryError)


def test_exit_codes_are_distinct() -> None:
    codes = [getattr(errors, n).code for n in errors.__all__]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda p: p.name)
def test_every_module_has_a_docstring_and_no_unsafe_call(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.name != "__init__.py":
        assert ast.get_docstring(ast.parse(text)), path
    for call in FORBIDDEN:
        assert call not in text.replace(".eval(", ""), f"{path}: {call}"
    assert len(text.splitlines()) <= 400
