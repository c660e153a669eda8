"""The one way in which text of a model, a label or an id enters a page: as text.

Everything that comes from outside the package is hostile. It is escaped here and nowhere else;
pages carry a content policy that names their own scripts and styles by hash and forbids every
request.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from importlib import resources

__all__ = [
    "asset",
    "content_policy",
    "html_text",
    "json_block",
    "markdown_text",
    "plotly_text",
    "visible",
]

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&$])")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str, *, keep: str = "") -> str:
    """Replace control characters, which could hide or reorder text, by signs that can be seen.

    C0 controls become their Unicode pictures (NUL is U+2400); C1 and bidirectional controls, line
    and paragraph separators and lone surrogates become `U+202E` in mathematical brackets.

    Args:
        text: Any text.
        keep: Characters left as they are, e.g. a newline.
    """
    return "".join(c if c in keep else _sign(c) for c in text)


def _sign(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    hidden = 0x80 <= code < 0xA0 or character in _BIDI or code in (0x2028, 0x2029, 0xFEFF)
    if hidden or 0xD800 <= code < 0xE000:
        return f"\u27e8U+{code:04X}\u27e9"
    return character


def html_text(text: str) -> str:
    """Escape `text` for element content and quoted attributes; controls become visible."""
    return html.escape(visible(text, keep="\n\t"), quote=True)


def plotly_text(text: str) -> str:
    """Escape `text` for plotly labels, which understand a little HTML, among it links."""
    return html.escape(visible(text), quote=False)


def markdown_text(text: str) -> str:
    """Escape `text` for one line of Markdown, table cells included; a newline becomes a blank."""
    return _MARKDOWN.sub(r"\\\1", visible(" ".join(text.split("\n"))))


def json_block(value: object) -> str:
    """JSON that is inert inside `<script type="application/json">`.

    The result is pure ASCII, and no `<`, `>` or `&` is left, so no text can end the element or open
    a comment.

    Raises:
        ValueError: `value` holds NaN or infinity, which JSON does not know.
    """
    text = json.dumps(value, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _source_hash(source: str) -> str:
    digest = hashlib.sha256(source.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def content_policy(
    *, scripts: Sequence[str] = (), styles: Sequence[str] = (), also: Sequence[str] = ()
) -> str:
    """Content security policy that forbids everything but the given inline sources.

    Args:
        scripts: Exact contents of the inline scripts that may run.
        styles: Exact contents of the inline style elements that apply.
        also: Further directives, e.g. `img-src data:`.
    """
    parts = ["default-src 'none'", "base-uri 'none'", "form-action 'none'"]
    for directive, sources in (("script-src", scripts), ("style-src", styles)):
        if sources:
            parts.append(f"{directive} {' '.join(_source_hash(source) for source in sources)}")
    return "; ".join([*parts, *also])


def asset(name: str) -> str:
    """Text of a style sheet or script that ships with the package."""
    return resources.files("augury.report").joinpath("assets", name).read_text(encoding="utf-8")
