"""Document: an HTML file that loads nothing; a Content-Security-Policy allows its own style and script and no more."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from importlib.resources import files

from sigtrace.output.terminal import escaped


def document(title: str, body: str, styles: tuple[str, ...], scripts: tuple[str, ...]) -> str:
    """Return a body as the text of one file; `styles` and `scripts` name files beside this module."""
    style, script = ("".join(map(_text, names)) for names in (styles, scripts))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="format-detection" content="telephone=no">
<meta name="referrer" content="no-referrer">
<title>{escape(escaped(title))}</title>
<style>{style}</style>
</head>
<body>
{body}
<script>{script}</script>
</body>
</html>
"""


def _text(name: str) -> str:
    return files("sigtrace.output.html").joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    style_hash, script_hash = (
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in (style, script)
    )
    return f"default-src 'none'; style-src {style_hash}; script-src {script_hash}; base-uri 'none'; form-action 'none'"
