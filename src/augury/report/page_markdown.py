"""Pages as Markdown, with the same words as the HTML page; every text is escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
from augury.report.markup import markdown_text, visible
from augury.report.numbers import shown

__all__ = ["markdown_blocks", "markdown_page"]


def markdown_page(
    title: str, sections: Sequence[Section], *, verdict: Sequence[str] = (), lead: str = ""
) -> str:
    """The page; arguments as in `html_page`. Figures are linked, not copied."""
    parts = [f"# {markdown_text(title)}"]
    if lead:
        parts.append(markdown_text(lead))
    if verdict:
        parts.append(_callout(Callout("verdict", "Verdict", tuple(verdict))))
    for section in sections:
        parts.append(f"## {markdown_text(section.title)}")
        parts.extend(_block(block) for block in section.blocks)
    return "\n\n".join(parts) + "\n"


def markdown_blocks(blocks: Sequence[Block]) -> str:
    """Pieces by themselves, for somebody else's page."""
    return "\n\n".join(_block(block) for block in blocks)


def _block(block: Block) -> str:
    match block:
        case Paragraph(text):
            return markdown_text(text)
        case Bullets(items):
            return "\n".join(f"- {markdown_text(item)}" for item in items)
        case Callout():
            return _callout(block)
        case Code():
            return _code(block)
        case Link(text, target):
            return f"[{markdown_text(text)}]({target})"
        case FigureRef():
            return _figure(block)
        case Table():
            return _table(block)


def _callout(callout: Callout) -> str:
    lines = [f"**{markdown_text(callout.title)}**", *map(markdown_text, callout.lines)]
    return "\n>\n".join(f"> {line}" for line in lines)


def _code(code: Code) -> str:
    # A fence longer than any run of backticks inside cannot be closed by the text.
    longest = max((len(run) for run in re.findall(r"`+", code.text)), default=0)
    fence = "`" * max(3, longest + 1)
    text = visible(code.text, keep="\n\t")
    return f"{fence}{code.language}\n{text}\n{fence}"


def _figure(figure: FigureRef) -> str:
    alt = markdown_text(figure.alt)
    links = f"[interactive]({figure.file('html')}), [data]({figure.file('csv')})"
    return f"![{alt}]({figure.file('png')})\n\n*{alt}* ({links})"


def _table(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    rows = [
        line([_cell(shown(value, table.digits), number in table.strong) for value in row])
        for number, row in enumerate(table.rows)
    ]
    head = [
        line([markdown_text(name) for name in table.columns]),
        line(["---"] * len(table.columns)),
    ]
    caption = [f"*{markdown_text(table.caption)}*", ""] if table.caption else []
    return "\n".join([*caption, *head, *rows])


def _cell(text: str, strong: bool) -> str:
    escaped = markdown_text(text)
    return f"**{escaped}**" if strong and escaped.strip() else escaped
