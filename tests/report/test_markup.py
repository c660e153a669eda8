from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from augury.report.markup import (
    asset,
    content_policy,
    html_text,
    json_block,
    markdown_text,
    plotly_text,
    visible,
)

ANY_TEXT = st.text(st.characters(codec=None), max_size=40)


@settings(max_examples=80, deadline=None)
@given(ANY_TEXT)
@example("</script><!--&amp;")
def test_json_in_a_page_reads_back_and_can_end_nothing(text: str) -> None:
    block = json_block({"text": text, text: [1.5, None]})
    assert json.loads(block) == {"text": text, text: [1.5, None]}
    assert not set(block) & set("<>&") and block.isascii()


def test_json_refuses_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_block([math.nan])


@settings(max_examples=80, deadline=None)
@given(ANY_TEXT)
@example("<b>\"'&lt;")
def test_escaped_html_reads_back_as_the_visible_text(text: str) -> None:
    escaped = html_text(text)
    assert not set(escaped) & set("<>\"'")
    assert html.unescape(escaped) == visible(text, keep="\n\t")


@settings(max_examples=80, deadline=None)
@given(ANY_TEXT)
def test_nothing_invisible_is_left_and_printing_text_is_untouched(text: str) -> None:
    shown = visible(text)
    assert not re.search(
        "[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown
    )
    if text.isalnum():
        assert shown == text


def test_controls_become_signs() -> None:
    assert visible("a\x00\x1b\u202eb") == "a\u2400\u241b\u27e8U+202E\u27e9b"
    assert visible("a\nb", keep="\n") == "a\nb"


def test_plotly_gets_no_element() -> None:
    assert plotly_text('<a href="x">') == '&lt;a href="x"&gt;'


def test_markdown_parses_to_plain_text(hostile: str) -> None:
    parser = pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
    tokens = (
        parser.MarkdownIt("commonmark")
        .enable("table")
        .parse(f"| a |\n|---|\n| {markdown_text(hostile)} |")
    )
    assert [token.type for token in tokens if token.level == 0] == ["table_open", "table_close"]
    inline = tokens[-5]
    assert inline.type == "inline"
    assert {child.type for child in inline.children} <= {"text", "text_special"}
    assert "".join(child.content for child in inline.children) == visible(hostile).strip()


def test_the_policy_names_exactly_its_sources() -> None:
    digest = base64.b64encode(hashlib.sha256(b"let a = 1;").digest()).decode()
    policy = content_policy(scripts=["let a = 1;"], also=["img-src data:"])
    assert policy.startswith("default-src 'none'; ")
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.endswith("; img-src data:") and "unsafe" not in policy


@pytest.mark.parametrize("name", ["figure.js", "token_view.js"])
def test_scripts_put_text_in_as_text(name: str) -> None:
    source = asset(name)
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert way not in source
    assert "fetch(" not in source and "</script" not in source.lower()
