"""Trees as flat rows, for files and for other processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from simulator.exhaustive.tree import NOBODY, Node, Sleepers
from simulator.happens_before import Touched
from simulator.operations import Mode

Told: TypeAlias = tuple[list[tuple[int, str, int]], list[int]]
"""What a step touched: (inode, facet, mode) of each thing, and the inodes whose tracked times it changed."""


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One node. ``parent`` is the number of its parent's row, -1 for none. The operation is left out."""

    parent: int
    task: int
    what: Told
    run: bool
    complete: bool
    sleepers: list[tuple[int, Told]]
    able: list[int]
    met: bool
    spent: int


def told(what: Touched) -> Told:
    """The form of ``Touched`` that can be written."""
    return [(inode, facet, int(mode)) for (inode, facet), mode in what.things.items()], sorted(what.stamped)


def heard(what: Told) -> Touched:
    """Inverse of ``told``."""
    things, stamped = what
    return Touched({(inode, facet): Mode(mode) for inode, facet, mode in things}, frozenset(stamped))


def sleepers_told(sleepers: Sleepers) -> list[tuple[int, Told]]:
    """The form of ``Sleepers`` that can be written."""
    return [(task, told(what)) for task, what in sleepers.items()]


def sleepers_heard(sleepers: Sequence[tuple[int, Told]]) -> Sleepers:
    """Inverse of ``sleepers_told``."""
    return {task: heard(what) for task, what in sleepers} or NOBODY


def rows_of(root: Node) -> list[Row]:
    """A tree, each node after its parent, the children of a node in their order."""
    rows: list[Row] = []
    waiting = [(root, -1)]
    while waiting:
        node, parent = waiting.pop()
        waiting += [(child, len(rows)) for child in reversed(node.children)]
        rows.append(
            Row(
                parent,
                node.task,
                told(node.what),
                node.run,
                node.complete,
                sleepers_told(node.sleepers),
                list(node.able),
                node.met,
                node.spent,
            )
        )
    return rows


def tree_of(rows: Sequence[Row], parent: Node | None = None) -> Node:
    """Inverse of ``rows_of``. The root is given a parent, but not made one of its children."""
    nodes: list[Node] = []
    for row in rows:
        above = nodes[row.parent] if row.parent >= 0 else parent
        node = Node(above, row.task, heard(row.what), None)
        node.run, node.complete, node.sleepers = row.run, row.complete, sleepers_heard(row.sleepers)
        node.able, node.met, node.spent = tuple(row.able), row.met, row.spent
        if row.parent >= 0:
            nodes[row.parent].children.append(node)
        nodes.append(node)
    return nodes[0]
