"""File locks as a mount option has them: of all nodes, of each node by itself, or none (Lustre, BeeGFS)."""

from __future__ import annotations

import errno
from typing import Any, Literal, TypeAlias

from simulator.filesystems.posix.errors import failure
from simulator.filesystems.views.layers import Layer
from simulator.filesystems.views.node_locks import lock_on_node, would_wait_on_node
from simulator.filesystems.views.server import Server
from simulator.operations import Lock, Operation

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
