"""Texts that try to be more than text, wherever foreign text may stand on a page."""

from __future__ import annotations

__all__ = ["CORPUS"]

_MARKUP = (
    "<script>window.owned = 1</script>",
    "</script><script>window.owned = 1</script>",
    "</ScRiPt ><sCrIpT>window.owned=1</sCrIpT>",
    "<script src=https://example.invalid/x.js></script>",
    "<img src=x onerror=window.owned=1>",
    '"><img src="https://example.invalid/x.png">',
    "<svg/onload=window.owned=1>",
    "<svg><script>window.owned=1</script></svg>",
    "<iframe srcdoc='<script>parent.owned=1</script>'>",
    "<iframe src=javascript:parent.owned=1>",
    "<object data=https://example.invalid/></object>",
    "<link rel=stylesheet href=https://example.invalid/x.css>",
    "<meta http-equiv=refresh content='0;url=https://example.invalid/'>",
    "<base href=https://example.invalid/>",
    "<body onload=window.owned=1>",
    "<details open ontoggle=window.owned=1>",
    "<video><source onerror=window.owned=1></video>",
    "<a href=javascript:window.owned=1>click</a>",
    "<form action=https://example.invalid/><button>go</button></form>",
    "<style>*{background:url(https://example.invalid/x)}</style>",
    "</style><style>body{display:none}</style>",
    "<!--", "-->", "<!--<script>", "]]>", "<![CDATA[<script>window.owned=1</script>]]>",
    "<template><script>window.owned=1</script></template>",
    "<math><mtext><img src=x onerror=window.owned=1></mtext></math>",
    "<noscript><p title='</noscript><img src=x onerror=window.owned=1>'>",
    "' onmouseover='window.owned=1' x='", '" onfocus="window.owned=1" autofocus="',
    "&lt;script&gt;window.owned=1&lt;/script&gt;", "&#60;img src=x onerror=window.owned=1&#62;",
    "</title><script>window.owned=1</script>", "</textarea><script>window.owned=1</script>",
)  # fmt: skip

_CODE = (
    "javascript:window.owned=1", "data:text/html,<script>parent.owned=1</script>",
    "${window.owned=1}", "`${window.owned=1}`", "{{constructor.constructor('window.owned=1')()}}",
    "';window.owned=1;//", '";window.owned=1;//', "\\';window.owned=1;//", "\\u003cscript\\u003e",
    "__proto__", "constructor", "toString", "hasOwnProperty", "valueOf", "__defineGetter__",
    "{policy} {title} %s {0} {{", "url(https://example.invalid/x)", "expression(window.owned=1)",
    "https://example.invalid/", "../../etc/passwd", "=1+1", "@import 'https://example.invalid/'",
)  # fmt: skip

_TEXT = (
    "\u202eevil\u202c",
    "\u2066isolated\u2069",
    "\u200f\u05d0\u05d1\u05d2",
    "\u061c\u0639\u0631\u0628",
    "\u2028new line\u2029",
    "\ufefffront",
    "\x00\x01\x1b[31mred\x1b[0m\x07\x7f\x85",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\U0001f1e9\U0001f1ea",
    "\U0001f44d\U0001f3fd",
    "\ufffd\ufffd",
    "\ud800",
    "\udfff",
    "e\u0301" * 12,
    "Z\u0351\u0343\u030b\u0348a\u0346l\u0365g\u0325o\u0330",
    "\u0e01\u0e33",
    "\u4f60\u597d",
    "\u3000",
    "\u00a0",
    "\u00ad",
    "\u200b",
    "\t",
    "\r",
    "\r\n",
    "\n\n",
    " ",
    "  two  blanks  ",
    "x" * 3000,
    "<" * 500,
    "\U000e0041\U000e0042",
    "\ufdfd",
)

CORPUS = (*_MARKUP, *_CODE, *_TEXT)
"""Markup, code in the languages of a page, and text that is hard to show."""
