from __future__ import annotations

import base64
import hashlib
import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from augury.errors import MissingInput
from augury.report.blocks import (
    Block,
    Bullets,
    Callout,
    Code,
    FigureRef,
    Link,
    Paragraph,
    Section,
    Table,
)
from augury.report.markup import visible
from augury.report.page import Page, page, write_page

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Skeleton(HTMLParser):
    """Elements and attribute names, with the text apart."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[object] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.elements.append("/" + tag)

    def handle_comment(self, data: str) -> None:
        self.elements.append("comment")

    def handle_data(self, data: str) -> None:
        self.text += data


def skeleton(source: str) -> Skeleton:
    parser = Skeleton()
    parser.feed(source)
    parser.close()
    return parser


def sample(text: str) -> list[Section]:
    blocks: list[Block] = [
        Paragraph(text),
        Bullets((text, "second")),
        Callout("caution", text, (text,)),
        Code(text, "sh"),
        Link(text, "results/probe_results.csv"),
        FigureRef("heatmap_f1", text),
        Table((text, "f1"), ((text, 0.25), (None, None)), text, strong=frozenset({0})),
    ]
    return [Section(text, blocks), Section("Where?", []), Section("How early?", [])]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "heatmap_f1.png").write_bytes(PNG)
    return tmp_path


def rendered(text: str, folder: Path) -> Page:
    return page(text, sample(text), folder=folder, verdict=(text,), lead=text)


def test_hostile_text_adds_no_element(hostile: str, folder: Path) -> None:
    tame, wild = skeleton(rendered("x", folder).html), skeleton(rendered(hostile, folder).html)
    assert wild.elements == tame.elements
    assert wild.text.count(visible(hostile, keep="\n\t")) >= 10


def test_the_verdict_stands_before_all_sections(folder: Path) -> None:
    made = page("T", sample("first section"), folder=folder, verdict=("resid.4, 8 tokens ahead",))
    for text in (made.html, made.markdown):
        place = text.replace("\\", "").index("resid.4, 8 tokens ahead")
        assert place < text.index("first section")


def test_the_page_needs_nothing_but_itself(folder: Path) -> None:
    source = rendered("x", folder).html
    assert "<script" not in source and "@import" not in source and "url(" not in source
    assert re.findall(r'src="([^"]{0,22})', source) == ["data:image/png;base64,"]
    assert base64.b64encode(PNG).decode() in source
    links = re.findall(r'href="([^"]*)"', source)
    assert links and all(link.startswith(("#", "figures/", "results/")) for link in links)


def test_the_policy_allows_the_style_that_is_there(folder: Path) -> None:
    source = rendered("x", folder).html
    style = source.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = html.unescape(source.split('Content-Security-Policy" content="')[1].split('"')[0])
    assert f"style-src 'sha256-{digest}'" in policy
    assert "script-src" not in policy and policy.startswith("default-src 'none'")


def test_a_figure_that_was_not_saved_is_named(folder: Path) -> None:
    with pytest.raises(MissingInput, match=r"figures/lineplot_f1\.png"):
        page("T", [Section("s", [FigureRef("lineplot_f1", "x")])], folder=folder)


def test_numbers_stand_right_and_undefined_is_a_dash(folder: Path) -> None:
    source = rendered("x", folder).html
    assert '<td class="number">0.250</td>' in source and '<td class="number">\u2013</td>' in source
    assert '<tr class="strong">' in source


def test_markdown_has_the_same_structure_whatever_the_text(hostile: str, folder: Path) -> None:
    parser = pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")

    def kinds(source: str) -> list[str]:
        tokens = parser.MarkdownIt("commonmark").enable("table").parse(source)
        inline = [child.type for token in tokens for child in token.children or [] if child.nesting]
        return [token.type for token in tokens] + inline

    wild = rendered(hostile, folder).markdown
    assert kinds(wild) == kinds(rendered("x", folder).markdown)


def test_code_with_fences_inside_stays_code(folder: Path) -> None:
    parser = pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
    code = "```\n# heading\n````\nend"
    source = page("T", [Section("s", [Code(code)])], folder=folder).markdown
    fences = [token for token in parser.MarkdownIt().parse(source) if token.type == "fence"]
    assert [fence.content for fence in fences] == [code + "\n"]


def test_both_forms_are_written(folder: Path) -> None:
    made = page("T", [Section("s", [Paragraph("x")])], folder=folder)
    first, second = write_page(made, folder)
    assert (first.name, second.name) == ("report.html", "report.md")
    assert first.read_text() == made.html and second.read_text() == made.markdown
