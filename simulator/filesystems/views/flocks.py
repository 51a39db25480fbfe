"""File locks as a mount option has them: of all nodes, of each node by itself, or none (Lustre, BeeGFS)."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import Inode
from simulator.filesystems.posix.tree import save
from simulator.filesystems.views.layers import Layer, Server
from simulator.operations import Lock, Operation


def lock_on_node(server: Server, per_node: int, rank: int, operation: Lock, now: int) -> Any:
    """flock(2) among the ranks of the rank's node."""
    with _of_node(server, per_node, rank, operation):
        return server.perform(rank, operation, now)


def would_wait_on_node(server: Server, per_node: int, rank: int, operation: Lock) -> bool:
    """Whether another rank of the node holds the lock in a way that would make ``operation`` wait now."""
    with _of_node(server, per_node, rank, operation):
        return server.would_wait(rank, operation)


@contextmanager
def _of_node(server: Server, per_node: int, rank: int, operation: Lock) -> Iterator[None]:
    """Leave the locks of other nodes out of sight."""
    table = server.tree.tables.get(rank)
    description = table.opened.get(operation.fd) if table is not None else None
    if description is None:
        yield
        return
    inode = description.inode
    away = _held_elsewhere(server, per_node, rank, inode)
    if not away:
        yield
        return
    save(server.tree, inode)  # So that undoing ends with all of them in place.
    inode.locks = tuple(holder for holder in inode.locks if holder not in away)
    try:
        yield
    finally:
        inode.locks += tuple(away)


def _held_elsewhere(server: Server, per_node: int, rank: int, inode: Inode) -> list[Any]:
    own: set[int] = set()
    first = rank // per_node * per_node
    for neighbour in range(first, first + per_node):
        table = server.tree.tables.get(neighbour)
        if table is not None:
            own.update(id(description) for description in table.opened.values())
    return [holder for holder in inode.locks if id(holder) not in own]


Kind: TypeAlias = Literal["flock", "localflock", "noflock"]


class Flocks:
    """The layer; implements ``layers.Layer``. ``noflock`` gives ENOSYS."""

    def __init__(self, server: Server, below: Layer, ranks_per_node: int, kind: Kind) -> None:
        self._server = server
        self._perform = below.perform
        self._ranks_per_node = ranks_per_node
        self._kind = kind
        self._would_wait = below.would_wait
        self.release = below.release
        self.mtime_order = below.mtime_order
        self.restart = below.restart

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``."""
        if type(operation) is Lock and rank >= 0 and self._kind != "flock":
            if self._kind == "noflock":
                raise failure(errno.ENOSYS)
            return lock_on_node(self._server, self._ranks_per_node, rank, operation, now)
        return self._perform(rank, operation, now)

    def would_wait(self, rank: int, operation: Lock) -> bool:
        """See ``PosixModel.would_wait``."""
        if self._kind == "localflock":
            return would_wait_on_node(self._server, self._ranks_per_node, rank, operation)
        return self._kind == "flock" and self._would_wait(rank, operation)
