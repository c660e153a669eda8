from __future__ import annotations

import os
from pathlib import Path

import pytest

from augury.errors import DataError, MissingInput
from augury.report.sections import fill_file, fill_sections

KNOWN = ("matrix", "gate")
PAGE = """# Mine

<!-- augury:begin matrix -->
old
<!-- augury:end matrix -->
between \u202e <b>
  <!--augury:begin gate-->
  <!-- augury:end gate -->  
```
<!-- augury:begin not-a-section -->
```
no newline at the end"""


def write(name: str) -> str:
    return f"\n| {name} |\n\nline two\n\n"


def test_only_what_is_marked_changes_and_filling_twice_changes_nothing() -> None:
    filled = fill_sections(PAGE, write, KNOWN, where="page")
    expected = PAGE.replace("old\n", "| matrix |\n\nline two\n").replace(
        "begin gate-->\n", "begin gate-->\n| gate |\n\nline two\n"
    )
    assert filled == expected
    assert fill_sections(filled, write, KNOWN, where="page") == filled


def test_line_ends_and_bytes_around_are_kept(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    original = PAGE.replace("\n", "\r\n").encode()
    page.write_bytes(b"\xef\xbb\xbf" + original + b"\rold mac\r\n\x0c\x00 end")
    assert fill_file(page, write, KNOWN) == ["matrix", "gate"]
    data = page.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf# Mine\r\n")
    assert data.endswith(b"\rold mac\r\n\x0c\x00 end")
    assert b"| matrix |\r\n\r\nline two\r\n<!-- augury:end matrix -->\r\n" in data
    assert data.count(b"\n") == data.count(b"\r\n")


def test_the_same_bytes_are_not_written_again(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    fill_file(page, write, KNOWN)
    before = os.stat(page).st_ino
    fill_file(page, write, KNOWN)
    assert os.stat(page).st_ino == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a\n<!-- augury:begin matrix -->\n", r"page.md:2: 'matrix' begins and does not end"),
        ("<!-- augury:end gate -->\n", r"page.md:1: the end of 'gate', which has not begun"),
        ("<!-- augury:begin matrices -->\n", r"page.md:1: no section 'matrices'.*matrix, gate"),
        ("<!-- augury:start gate -->\n", r"page.md:1: the marker 'start gate'"),
        (
            "<!-- augury:begin gate -->\n<!-- augury:begin matrix -->\n",
            r"page.md:2: 'matrix' begins inside 'gate' of line 1",
        ),
        (
            "<!-- augury:begin gate -->\n<!-- augury:end matrix -->\n",
            r"page.md:2: the end of 'matrix', which has not begun",
        ),
        ("text <!-- augury:begin gate -->\n", r"page.md:1: a marker beside other text"),
        ("nothing here\n", r"page.md: no section to fill.*matrix, gate"),
    ],
)
def test_a_marker_that_cannot_be_meant_is_refused_and_nothing_is_written(
    text: str, told: str, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(DataError, match=told):
        fill_file(page, write, KNOWN)
    assert page.read_text() == text


def test_a_section_that_cannot_be_written_leaves_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)

    def fails(name: str) -> str:
        if name == "gate":
            raise DataError("run", found="no such thing", expected="one")
        return "new"

    with pytest.raises(DataError):
        fill_file(page, fails, KNOWN)
    assert page.read_text() == PAGE
    with pytest.raises(MissingInput):
        fill_file(tmp_path / "none.md", write, KNOWN)
    page.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="UTF-8"):
        fill_file(page, write, KNOWN)
