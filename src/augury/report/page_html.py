"""Pages as one HTML file: no script, no request, pictures inside, light and dark, fit to print."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from pathlib import Path

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
from augury.report.markup import asset, content_policy, html_text
from augury.report.numbers import shown
from augury.report.tables import CellValue

__all__ = ["html_page"]

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
{lead}{verdict}</header>
{contents}<main>
{body}
</main>
</body>
</html>
"""


def html_page(
    title: str,
    sections: Sequence[Section],
    *,
    folder: Path,
    verdict: Sequence[str] = (),
    lead: str = "",
) -> str:
    """The page: every text escaped, nothing allowed but its style sheet and inline pictures.

    Args:
        title: First heading.
        sections: In reading order.
        folder: Where figures are looked for; their pictures are copied into the page.
        verdict: Lines that stand before everything else.
        lead: One paragraph under the title.

    Raises:
        MissingInput: The picture of a figure is not there.
    """
    style = asset("page.css")
    anchors = _anchors(sections)
    body = "\n".join(
        f'<section id="{anchor}">\n<h2>{html_text(section.title)}</h2>\n'
        + "\n".join(_block(block, folder) for block in section.blocks)
        + "\n</section>"
        for anchor, section in zip(anchors, sections, strict=True)
    )
    return _PAGE.format(
        policy=html_text(content_policy(styles=(style,), also=("img-src data:",))),
        title=html_text(title),
        style=style,
        lead=f'<p class="lead">{html_text(lead)}</p>\n' if lead else "",
        verdict=_callout(Callout("verdict", "Verdict", tuple(verdict))) + "\n" if verdict else "",
        contents=_contents(sections, anchors),
        body=body,
    )


def _anchors(sections: Sequence[Section]) -> list[str]:
    slugs = [re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-") for section in sections]
    return [f"s{number}-{slug}".rstrip("-") for number, slug in enumerate(slugs, start=1)]


def _contents(sections: Sequence[Section], anchors: Sequence[str]) -> str:
    if len(sections) < 3:
        return ""
    links = "".join(
        f'<li><a href="#{anchor}">{html_text(section.title)}</a></li>'
        for anchor, section in zip(anchors, sections, strict=True)
    )
    return f'<nav aria-label="Contents"><ol>{links}</ol></nav>\n'


def _block(block: Block, folder: Path) -> str:
    match block:
        case Paragraph(text):
            return f"<p>{html_text(text)}</p>"
        case Bullets(items):
            return f"<ul>{''.join(f'<li>{html_text(item)}</li>' for item in items)}</ul>"
        case Callout():
            return _callout(block)
        case Code(text):
            return f'<pre tabindex="0"><code>{html_text(text)}</code></pre>'
        case Link(text, target):
            return f'<p class="link"><a href="{html_text(target)}">{html_text(text)}</a></p>'
        case FigureRef():
            return _figure(block, folder)
        case Table():
            return _table(block)


def _callout(callout: Callout) -> str:
    lines = "".join(f"<p>{html_text(line)}</p>" for line in callout.lines)
    return (
        f'<aside class="{callout.kind}"><strong>{html_text(callout.title)}</strong>{lines}</aside>'
    )


def _figure(figure: FigureRef, folder: Path) -> str:
    path = folder / figure.file("png")
    if not path.is_file():
        raise MissingInput(
            figure.file("png"),
            found="no such picture",
            expected="a figure saved before the page is written",
        )
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    links = ", ".join(
        f'<a href="{html_text(figure.file(ending))}">{what}</a>'
        for ending, what in (("html", "interactive"), ("png", "picture"), ("csv", "data"))
    )
    return (
        f'<figure id="{html_text(figure.name)}">'
        f'<img alt="{html_text(figure.alt)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{html_text(figure.alt)} <span>({links})</span></figcaption></figure>"
    )


def _table(table: Table) -> str:
    numeric = [_is_numeric([row[i] for row in table.rows]) for i in range(len(table.columns))]
    head = "".join(
        f'<th scope="col"{_side(right)}>{html_text(column)}</th>'
        for column, right in zip(table.columns, numeric, strict=True)
    )
    rows = "".join(
        ('<tr class="strong">' if number in table.strong else "<tr>")
        + "".join(
            f"<td{_side(right)}>{html_text(shown(value, table.digits))}</td>"
            for value, right in zip(row, numeric, strict=True)
        )
        + "</tr>"
        for number, row in enumerate(table.rows)
    )
    caption = f"<caption>{html_text(table.caption)}</caption>" if table.caption else ""
    inside = f"{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    # A wide table scrolls by itself, so that the page never does.
    opening = '<div class="wide" role="region" tabindex="0" aria-label="table">'
    return f"{opening}<table>{inside}</table></div>"


def _is_numeric(column: Sequence[CellValue]) -> bool:
    there = [value for value in column if value is not None]
    return bool(there) and not any(isinstance(value, str | bool) for value in there)


def _side(right: bool) -> str:
    return ' class="number"' if right else ""
