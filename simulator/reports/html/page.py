"""The page around a report: one file, styles and script inside, and a policy that forbids it to load anything.

HTML is escaped by construction: what is not ``Markup`` already becomes text.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TypeAlias

from simulator.writing import visible, write_whole

VOID = frozenset({"meta", "br", "hr", "col", "wbr"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Content: TypeAlias = str | Markup | Iterable["Content"] | None


def rendered(content: Content) -> Markup:
    """Content as HTML: strings are escaped, None is nothing, sequences are put one after the other."""
    if content is None:
        return Markup("")
    if isinstance(content, Markup):
        return content
    if isinstance(content, str):
        return Markup(escape(visible(content), quote=False))
    return Markup("".join(rendered(part) for part in content))


def element(name: str, /, *content: Content, **attributes: str | None) -> Markup:
    """One element. ``class_`` is the attribute class; an attribute of None is left out, an underscore is a hyphen."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(visible(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{said}>")
    return Markup(f"<{name}{said}>{rendered(content)}</{name}>")


_STYLES = Path(__file__).with_name("page.css")
_SCRIPT = Path(__file__).with_name("page.js")


def page(title: str, *body: Content, styles: str = "") -> str:
    """A whole HTML document. ``styles`` are those that this kind of page has besides.

    The only script that runs is the one in it, which its policy names by its hash.
    """
    script = _SCRIPT.read_text(encoding="utf-8")
    known = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{known}'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(_STYLES.read_text(encoding="utf-8") + styles)),
    )
    content = element("body", element("main", *body), element("script", Markup(script)))
    return f"<!doctype html>\n{element('html', head, content, lang='en')}\n"


def write(path: Path, document: str) -> None:
    """Write a document. Raises UsageError, naming the path, where that is not possible."""
    write_whole(path, document.encode("utf-8", "backslashreplace"))
