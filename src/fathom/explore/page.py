"""The page as one string: its parts, which stand in `browser/`, and the data, packed."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Mapping
from importlib.resources import files

STYLE, BODY = "style.css", "page.html"
SCRIPTS = (
    "types.js",
    "dom.js",
    "data.js",
    "state.js",
    "words.js",
    "csv.js",
    "choices.js",
    "series.js",
    "axes.js",
    "panel.js",
    "reading.js",
    "strips.js",
    "notes.js",
    "summary.js",
    "curves.js",
    "matrices.js",
    "tokens.js",
    "numbers.js",
    "provenance.js",
    "main.js",
)
"""In the order in which they stand in the page: each uses what is above it."""
PARTS = tuple(f"explore/browser/{name}" for name in (BODY, STYLE, *SCRIPTS))
"""The parts as data files of the package, for the digest of the code."""


def write_page(data: Mapping[str, object], title: str) -> bytes:
    """The page with its data. The same data give the same bytes."""
    style, script = _part(STYLE), without_comments("\n".join(_part(name) for name in SCRIPTS))
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    packed = base64.b64encode(gzip.compress(text.encode(), compresslevel=9, mtime=0)).decode("ascii")
    # Nothing but these two texts may run or style, and nothing may be asked for.
    policy = f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; base-uri 'none'"
    filled = {
        "policy": policy,
        "title": html.escape(title),
        "style": style,
        "data": packed,
        "script": script,
    }
    page = _part(BODY)
    for name, content in filled.items():
        page = page.replace(f"[[{name}]]", content, 1)
    return page.encode()


def without_comments(script: str) -> str:
    """The page's own code without comments and indents, which are half of it: they are for those who change it."""
    plain = re.sub(r"/\*\*.*?\*/ ?", "", script, flags=re.DOTALL)
    lines = (line.strip() for line in plain.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("// "))


def _part(name: str) -> str:
    return files("fathom.explore").joinpath("browser", name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
