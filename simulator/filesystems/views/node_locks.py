"""File locks that are of one node only: who holds one keeps out the ranks of the own node, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from simulator.filesystems.posix.inode import Inode
from simulator.filesystems.posix.tree import save
from simulator.filesystems.views.server import Server
from simulator.operations import Lock


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
