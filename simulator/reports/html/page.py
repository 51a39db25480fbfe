"""The page around a report: one file, styles inside, and a policy that forbids it to load anything."""

from __future__ import annotations

from pathlib import Path

from simulator.reports.html.markup import Content, Markup, element
from simulator.writing import write_whole

_STYLES = Path(__file__).with_name("page.css")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(title: str, *body: Content, styles: str = "") -> str:
    """A whole HTML document. ``styles`` are those that this kind of page has besides."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(_STYLES.read_text(encoding="utf-8") + styles)),
    )
    return f"<!doctype html>\n{element('html', head, element('body', element('main', *body)), lang='en')}\n"


def write(path: Path, document: str) -> None:
    """Write a document. Raises UsageError, naming the path, where that is not possible."""
    write_whole(path, document.encode("utf-8", "backslashreplace"))
