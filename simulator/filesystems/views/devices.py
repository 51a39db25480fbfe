"""Several devices in one tree: the profile ``cross-device``, in which temporary files lie on another one than the rest.

rename(2) and link(2) do not go from one to another: EXDEV. The mount points themselves can neither be renamed nor
removed: EBUSY.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import Inode
from simulator.filesystems.posix.walk import lookup, parent_of
from simulator.filesystems.views.layers import Layer, Server, path_of
from simulator.operations import Link, Mkdir, Operation, Rename, Rmdir, Stat

_PUBLIC: Final = 0o1777


class Devices:
    """The layer; implements ``layers.Layer``. ``mounts`` are directories of the root, each a device of its own."""

    def __init__(self, server: Server, below: Layer, mounts: Sequence[str]) -> None:
        self._server = server
        self._perform = below.perform
        self._mounts = list(mounts)
        self.release = below.release
        self.would_wait = below.would_wait
        self.mtime_order = below.mtime_order
        self.restart = below.restart
        for mount in mounts:
            server.perform(-1, Mkdir(mount, _PUBLIC))

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``."""
        if isinstance(operation, Rename | Link):
            source = self._device(rank, operation.source, operation.source_at, is_link=isinstance(operation, Link))
            target = self._device(rank, operation.target, operation.target_at)
            if source is not None and target is not None and source != target:
                raise failure(errno.EXDEV)
        elif isinstance(operation, Rmdir):
            self._device(rank, operation.path, operation.at)
        given = self._perform(rank, operation, now)
        if type(operation) is Stat:
            return self._told(rank, operation, given)
        return given

    def _device(self, rank: int, path: str, at: int | None, *, is_link: bool = False) -> int | None:
        """The device that a name is on; None where the path leads nowhere. Raises EBUSY for a mount point."""
        try:
            directory, parsed = parent_of(self._server.tree, rank, path, at)
        except OSError:
            return None
        if directory is self._server.tree.root:
            if parsed.last in self._mounts and not is_link:
                raise failure(errno.EBUSY)
            return 1
        return self._of(directory)

    def _told(self, rank: int, operation: Stat, given: Any) -> Any:
        target = operation.target
        if isinstance(target, str):
            accesses, self._server.accesses = self._server.accesses, None
            try:
                inode = lookup(self._server.tree, rank, target, operation.at, operation.follow)
            finally:
                self._server.accesses = accesses
        else:
            inode = self._server.tree.tables[rank].opened[target].inode
        device = self._of(inode)
        return given if device == 1 else msgspec.structs.replace(given, device=device)

    def _of(self, inode: Inode) -> int:
        first = path_of(inode).split("/", 1)[0]
        return 2 + self._mounts.index(first) if first in self._mounts else 1
