"""What a node that caches names may answer wrongly while another node changes them.

A node that has looked for a name and did not find it may go on saying ENOENT, although another node has made it since.
A file that another node has removed, or put another one in the place of, is gone for whoever has it open: ESTALE. Both
are what nfs(5) tells of in "Data and metadata coherence"; here every lookup is within the time of the cache, and
whether it strikes is the tape's choice.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from simulator.engines.interface import Step
from simulator.operations import (
    AccessCheck,
    Chmod,
    Fsync,
    Link,
    Mkdir,
    Open,
    Operation,
    Readdir,
    Readlink,
    Rename,
    Rmdir,
    Stat,
    Symlink,
    Truncate,
    Unlink,
    Write,
)


class StaleViews:
    """Which names each node may not know of yet, and which open files are gone, as the steps so far tell."""

    def __init__(self, ranks_per_node: int) -> None:
        self._ranks_per_node = ranks_per_node
        self._seen = 0
        self._missed: set[tuple[int, str]] = set()
        """(node, path): the node has looked for it in vain, and not found it since."""
        self._maker: dict[str, int] = {}
        self._opened: dict[tuple[int, int], str] = {}
        self._gone: set[tuple[int, int]] = set()
        """(rank, descriptor)."""

    def answer(self, steps: Sequence[Step], rank: int, operation: Operation) -> int | None:
        """The errno that a stale cache may give for this operation of the rank; None where it cannot."""
        for step in steps[self._seen :]:
            self._learn(step)
        self._seen = len(steps)
        node = rank // self._ranks_per_node
        number = _descriptor_of(operation)
        if number is not None:
            return errno.ESTALE if (rank, number) in self._gone else None
        path = _looked_up(operation)
        if path is None:
            return None
        unknown = ((node, above) in self._missed and self._maker.get(above, node) != node for above in _and_above(path))
        return errno.ENOENT if any(unknown) else None

    def _learn(self, step: Step) -> None:
        operation, node = step.operation, step.rank // self._ranks_per_node
        path = _looked_up(operation)
        if step.error is not None:
            if path is not None and step.error.errno == errno.ENOENT:
                self._missed.add((node, path))
            return
        if path is not None:
            for above in _and_above(path):
                self._missed.discard((node, above))
        if isinstance(operation, Open):
            self._opened[step.rank, step.value] = operation.path
            self._gone.discard((step.rank, step.value))
            if operation.flags & os.O_CREAT and operation.path not in self._maker:
                self._made(operation.path, node)
        elif isinstance(operation, Mkdir | Symlink):
            self._made(operation.path, node)
        elif isinstance(operation, Link):
            self._made(operation.target, node)
        elif isinstance(operation, Rename):
            self._removed(operation.target, node)
            self._moved(operation.source, operation.target, node)
        elif isinstance(operation, Unlink | Rmdir):
            self._removed(operation.path, node)

    def _made(self, path: str, node: int) -> None:
        self._maker[path] = node
        self._missed.discard((node, path))

    def _moved(self, source: str, target: str, node: int) -> None:
        below = source + "/"
        for path in [path for path in self._maker if path == source or path.startswith(below)]:
            del self._maker[path]
            self._made(target + path[len(source) :], node)
        self._made(target, node)
        for opened, path in self._opened.items():
            if path == source or path.startswith(below):
                self._opened[opened] = target + path[len(source) :]

    def _removed(self, path: str, node: int) -> None:
        self._maker.pop(path, None)
        for (rank, number), opened in self._opened.items():
            if opened == path and rank // self._ranks_per_node != node:
                self._gone.add((rank, number))


def _looked_up(operation: Operation) -> str | None:
    """The path that an operation looks for without making it."""
    if isinstance(operation, Open):
        return None if operation.flags & os.O_CREAT else operation.path
    if isinstance(operation, Stat | Readdir | Truncate | Chmod):
        return operation.target if isinstance(operation.target, str) else None
    return operation.path if isinstance(operation, AccessCheck | Readlink) else None


def _descriptor_of(operation: Operation) -> int | None:
    if isinstance(operation, Write | Fsync):
        return operation.fd
    if isinstance(operation, Stat | Truncate | Chmod):
        return operation.target if isinstance(operation.target, int) else None
    return None


def _and_above(path: str) -> list[str]:
    """The path and the directories above it, below the root."""
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
