"""Appends without a lock over all nodes: each node appends where it last knew the end of the file to be (BeeGFS)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from simulator.filesystems.posix.content import size_of
from simulator.filesystems.posix.descriptors import Description
from simulator.filesystems.posix.inode import NO_ENTRIES, Inode
from simulator.filesystems.posix.tree import Tree, save_description
from simulator.filesystems.views.layers import Decisions, Journal, Layer, Server
from simulator.operations import Mode, Open, Operation, Write, data


def write_at(tree: Tree, description: Description, end: int, write: Callable[[], Any]) -> Any:
    """Let ``write`` carry a write out at this place instead of the end; further ones go to the end again."""
    save_description(tree, description)
    description.position, description.append = end, False
    try:
        return write()
    finally:
        description.append = True


class LocalAppends:
    """The layer; implements ``layers.Layer``. A node knows the end from its last open, or write."""

    def __init__(
        self, server: Server, below: Layer, decisions: Decisions, journal: Journal, ranks_per_node: int
    ) -> None:
        self._server = server
        self._perform = below.perform
        self._decisions = decisions
        self._journal = journal
        self._ranks_per_node = ranks_per_node
        self._ends: dict[tuple[int, Inode], int] = {}
        self.release = below.release
        self.would_wait = below.would_wait
        self.mtime_order = below.mtime_order
        self._restart = below.restart

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``."""
        kind = type(operation)
        if rank < 0 or (kind is not Open and kind is not Write):
            return self._perform(rank, operation, now)
        write = partial(self._perform, rank, operation, now)
        end, description = None, None
        if isinstance(operation, Write):
            table = self._server.tree.tables.get(rank)
            description = table.opened.get(operation.fd) if table is not None else None
            if description is not None and description.append:
                end = self._believed_end(rank, operation, description.inode)
        given = write() if end is None or description is None else write_at(self._server.tree, description, end, write)
        if kind is Open:
            description = self._server.tree.tables[rank].opened[given]
        if description is not None and description.inode.entries is NO_ENTRIES:
            node, inode = rank // self._ranks_per_node, description.inode
            if self._server.accesses is not None:
                self._server.accesses += [((inode.number, f"@{node}"), Mode.WRITE), (data(inode.number), Mode.READ)]
            self._journal.put(self._ends, (node, inode), size_of(inode.content))
        return given

    def restart(self) -> None:
        """See ``Layer.restart``."""
        self._journal.set(self, "_ends", {})
        self._restart()

    def _believed_end(self, rank: int, operation: Operation, inode: Inode) -> int | None:
        node = rank // self._ranks_per_node
        end = self._ends.get((node, inode))
        if end is None or end == size_of(inode.content):
            return None
        text = f"node {node} appends where it last knew the end to be"
        return end if self._decisions.ask("stale-attributes", rank, operation, text) else None
