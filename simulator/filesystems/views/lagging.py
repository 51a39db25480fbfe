"""Parallel file systems whose nodes see changes of names late: the profile ``meta-stale``, and part of ``beegfs``.

What is documented, and modelled: for some time after another node has made, removed or renamed something, a look at
the name (stat, access, an open that makes nothing) may find what was there before, while the metadata server already
goes by the new: it says EEXIST to a mkdir of a name that the own node's stat does not find. Unlike NFS this needs no
look before the change, and asking the server makes nothing fresh.

Left open, since nothing tells: stale attributes, scans (fresh here), and names on the way to the last one (fresh).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any, Final

import msgspec

from simulator.filesystems.interface import Attributes
from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import Inode
from simulator.filesystems.posix.walk import parent_of
from simulator.filesystems.views.layers import Decisions, Journal, Layer, Server, attributes_of
from simulator.operations import (
    AccessCheck,
    Link,
    Mkdir,
    Mkfifo,
    Mode,
    Open,
    Operation,
    Rename,
    Rmdir,
    Stat,
    Symlink,
    Unlink,
    name_in,
)

_NAMES: Final[dict[type[Operation], tuple[tuple[str, str], ...]]] = {
    Link: (("target", "target_at"),),
    Mkdir: (("path", "at"),),
    Mkfifo: (("path", "at"),),
    Open: (("path", "at"),),
    Rename: (("source", "source_at"), ("target", "target_at")),
    Rmdir: (("path", "at"),),
    Symlink: (("path", "at"),),
    Unlink: (("path", "at"),),
}
"""The names that an operation may change: the fields of each, and of the descriptor that it is relative to."""

Name = tuple[Inode, str]


class Before(msgspec.Struct, frozen=True):
    """What a name led to before a node changed it, and until when other nodes may go by that."""

    inode: Inode | None
    attributes: Attributes | None
    node: int
    until: int


class Lagging:
    """The layer; implements ``layers.Layer``. Changes of names are seen at most ``lag`` nanoseconds late."""

    def __init__(
        self, server: Server, below: Layer, decisions: Decisions, journal: Journal, ranks_per_node: int, lag: int
    ) -> None:
        self._server = server
        self._perform = below.perform
        self._decisions = decisions
        self._journal = journal
        self._ranks_per_node = ranks_per_node
        self._lag = lag
        self._before: dict[Name, Before] = {}
        self.release = below.release
        self.would_wait = below.would_wait
        self.mtime_order = below.mtime_order
        self._restart = below.restart

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``."""
        kind = type(operation)
        if rank >= 0:
            if kind is Stat or kind is AccessCheck:
                return self._looked(rank, operation, now)
            if kind is Open and not operation.flags & os.O_CREAT:  # type: ignore[attr-defined]
                return self._opened(rank, operation, now)
            if kind in _NAMES:
                return self._changed(rank, operation, now)
        return self._perform(rank, operation, now)

    def restart(self) -> None:
        """See ``Layer.restart``."""
        self._journal.set(self, "_before", {})
        self._restart()

    def _looked(self, rank: int, operation: Any, now: int) -> Any:
        is_stat = type(operation) is Stat
        path = operation.target if is_stat else operation.path
        before = self._stale(rank, operation, path, now) if isinstance(path, str) else None
        if before is None:
            return self._perform(rank, operation, now)
        if before.attributes is None:
            if is_stat:
                raise failure(errno.ENOENT)
            return False
        return before.attributes if is_stat else True

    def _opened(self, rank: int, operation: Any, now: int) -> Any:
        before = self._stale(rank, operation, operation.path, now, lambda before: before.inode is None)
        if before is not None:
            raise failure(errno.ENOENT)
        return self._perform(rank, operation, now)

    def _stale(
        self, rank: int, operation: Any, path: str, now: int, fits: Callable[[Before], bool] = lambda _: True
    ) -> Before | None:
        """What the last name of a path led to before, if the rank's node may and does still go by that."""
        name = self._name(rank, path, operation.at) if self._before or self._server.accesses is not None else None
        before = self._before.get(name) if name is not None else None
        if name is None or before is None or not fits(before) or before.node == rank // self._ranks_per_node:
            return None
        if before.inode is name[0].entries.get(name[1]) or self._moment(rank, operation, now) >= before.until:
            return None
        text = f"node {rank // self._ranks_per_node} does not see yet what happened to {path!r}"
        return before if self._decisions.ask("stale-name", rank, operation, text) else None

    def _changed(self, rank: int, operation: Any, now: int) -> Any:
        names = [self._name(rank, getattr(operation, f), getattr(operation, at)) for f, at in _NAMES[type(operation)]]
        was = [None if name is None else name[0].entries.get(name[1]) for name in names]
        attributes = [None if inode is None else attributes_of(inode) for inode in was]
        given = self._perform(rank, operation, now)
        for name, inode, told in zip(names, was, attributes, strict=True):
            if name is not None and name[0].entries.get(name[1]) is not inode:
                until = self._moment(rank, operation, now) + self._lag
                self._journal.put(self._before, name, Before(inode, told, rank // self._ranks_per_node, until))
        return given

    def _name(self, rank: int, path: str, at: int | None) -> Name | None:
        try:
            directory, parsed = parent_of(self._server.tree, rank, path, at)
        except OSError:
            return None  # The operation fails by that.
        if parsed.last in ("", ".", ".."):
            return None
        if self._server.accesses is not None:
            self._server.accesses.append((name_in(directory.number, parsed.last), Mode.READ))
        return directory, parsed.last

    def _moment(self, rank: int, operation: Operation, now: int) -> int:
        acting = self._decisions.acting
        return now if acting is None else acting(rank, operation)[2]
