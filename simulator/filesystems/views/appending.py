"""Appends that go where a client takes the end of a file to be, which is not where it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.filesystems.posix.descriptors import Description
from simulator.filesystems.posix.tree import Tree, save_description


def write_at(tree: Tree, description: Description, end: int, write: Callable[[], Any]) -> Any:
    """Let ``write`` carry a write out at this place instead of the end; further ones go to the end again."""
    save_description(tree, description)
    description.position, description.append = end, False
    try:
        return write()
    finally:
        description.append = True
