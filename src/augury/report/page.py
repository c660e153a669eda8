"""A report: typed sections, written as `report.html` and `report.md` with the same words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from augury.report.blocks import Section
from augury.report.page_html import html_page
from augury.report.page_markdown import markdown_page
from augury.runs.atomic import write_text

__all__ = ["Page", "page", "write_page"]


@dataclass(frozen=True, slots=True)
class Page:
    """A report in both forms."""

    html: str
    """Self-contained: it may be mailed alone; its links to figures and data need the run folder."""

    markdown: str
    """Pictures and links are relative to the run folder."""


def page(
    title: str,
    sections: Sequence[Section],
    *,
    folder: Path,
    verdict: Sequence[str] = (),
    lead: str = "",
) -> Page:
    """Render a report; the verdict stands before everything else.

    Args:
        title: First heading.
        sections: In reading order.
        folder: The run folder, in which the paths of figures and links are relative.
        verdict: A few lines of plain language.
        lead: One paragraph under the title.

    Raises:
        MissingInput: The picture of a figure is not there; save figures first.
    """
    return Page(
        html=html_page(title, sections, folder=folder, verdict=verdict, lead=lead),
        markdown=markdown_page(title, sections, verdict=verdict, lead=lead),
    )


def write_page(rendered: Page, folder: Path, *, name: str = "report") -> tuple[Path, Path]:
    """Write `name.html` and `name.md` into `folder`, each whole or not at all; returns both paths.

    Raises:
        CannotCreate: A file cannot be created.
        StorageError: Writing failed half-way.
    """
    paths = folder / f"{name}.html", folder / f"{name}.md"
    write_text(paths[0], rendered.html)
    write_text(paths[1], rendered.markdown)
    return paths
