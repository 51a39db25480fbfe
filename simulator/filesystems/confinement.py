"""Keeps paths and link texts of a real directory inside its root, and link texts independent of where it lies."""

from __future__ import annotations

from typing import Any

from simulator.filesystems.interface import LINK_TO_ROOT
from simulator.originals import OS


def confined(root: int, start: int, path: str, by_name: bool) -> str:
    """The path without those ``..`` that would climb out of the root, as if ``..`` of the root were the root.

    ``root`` and ``start`` are descriptors of directories. ``by_name``: leave a ``..`` at the end to the kernel.
    """
    top = OS["fstat"](root)
    kept: list[str] = []
    parts = path.split("/")
    last = max((index for index, part in enumerate(parts) if part), default=-1)
    for index, part in enumerate(parts):
        if part == ".." and not (by_name and index == last) and _is(top, start, "/".join(kept) or "."):
            part = "."
        kept.append(part)
    return "/".join(kept)


def link_text(root: str, text: str) -> str:
    """The text that the real link gets: ``LINK_TO_ROOT`` stands for the root's path."""
    return root + text[len(LINK_TO_ROOT) :] if _starts_with(text, LINK_TO_ROOT) else text


def shown_text(root: str, text: str) -> str:
    """Inverse of ``link_text``."""
    return LINK_TO_ROOT + text[len(root) :] if _starts_with(text, root) else text


def _starts_with(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory + "/")


def _is(top: Any, start: int, path: str) -> bool:
    try:
        found = OS["stat"](path, dir_fd=start)
    except OSError:
        return False
    return bool(found.st_ino == top.st_ino and found.st_dev == top.st_dev)
