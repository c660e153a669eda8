"""A browser tab that records everything a page should not do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["Watched", "settled"]


class Watched:
    """A tab that records everything it should not do."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab
        self.complaints: list[str] = []
        tab.on("console", lambda message: self.complaints.append(message.text))
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on("dialog", lambda dialog: self.complaints.append("dialog"))
        tab.on("request", self._note)

    def _note(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.complaints.append(f"request {request.url}")

    def open(self, path: Path) -> Any:
        self.tab.goto(path.as_uri())
        if path.name == "tokens.html":
            settled(self.tab)
        return self.tab


def settled(tab: Any) -> None:
    """Wait until what was chosen last is what is painted."""
    tab.wait_for_function("document.body.dataset.version !== undefined")
    tab.wait_for_timeout(50)
