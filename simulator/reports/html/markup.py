"""HTML as text, escaped by construction: what is not ``Markup`` already becomes text."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TypeAlias

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
        return Markup(escape(content, quote=False))
    return Markup("".join(rendered(part) for part in content))


def element(name: str, /, *content: Content, **attributes: str | None) -> Markup:
    """One element. ``class_`` is the attribute class; an attribute of None is left out, an underscore is a hyphen."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{said}>")
    return Markup(f"<{name}{said}>{rendered(content)}</{name}>")
