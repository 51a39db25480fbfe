"""Two or more nodes on one file system, operation by operation, with the clock and every choice in the test's hands."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

from simulator.filesystems.posix import PosixModel
from simulator.filesystems.views.layers import Decisions, Journal, LayeredFilesystem
from simulator.filesystems.views.nfs.clients import Clients
from simulator.filesystems.views.nfs.knowledge import Mount
from simulator.filesystems.views.nfs.layer import Nfs
from simulator.operations import Close, Mkdir, Open, Operation, Read, Readdir, Stat, Write

SECOND = 10**9
CREATE = os.O_CREAT | os.O_WRONLY
HOUR = 3600.0


def nfs(nodes: int = 2, ranks_per_node: int = 1, **options: Any) -> LayeredFilesystem:
    """An empty NFS file system."""
    server = PosixModel()
    decisions, journal = Decisions(server), Journal()
    clients = Clients(server, decisions, journal, Mount(**options), nodes, ranks_per_node)
    return LayeredFilesystem(server, Nfs(clients), decisions, journal, {})


class Machines:
    """Ranks act one after the other; each operation takes a microsecond.

    ``wanted`` are the values of choices by kind, ``offered`` the kinds of the choices that the latest operation had.
    """

    def __init__(self, filesystem: LayeredFilesystem) -> None:
        self.filesystem = filesystem
        self.now = 1_000 * SECOND
        self.wanted: dict[str, int] = {}
        self.offered: list[str] = []
        self.options: dict[str, int] = {}
        filesystem.begin(self._choose)

    def _choose(self, kind: str, task: int, n: int, options: int, text: str) -> int:
        self.offered.append(kind)
        self.options[kind] = options
        value = self.wanted.get(kind, 0)
        assert value < options
        return value

    def do(self, rank: int, operation: Operation, **wanted: int) -> Any:
        """What the operation gives, or the name of its errno. ``wanted``: choices, with _ for - in their kinds."""
        self.wanted = {kind.replace("_", "-"): value for kind, value in wanted.items()}
        self.offered = []
        self.now += 1_000
        try:
            return self.filesystem.perform(rank, operation, self.now)
        except OSError as error:
            return errno.errorcode[error.errno or 0]

    def later(self, seconds: float) -> None:
        """Time passes."""
        self.now += round(seconds * SECOND)

    def exists(self, rank: int, path: str, **wanted: int) -> bool:
        """As os.path.exists: any error counts as absence."""
        return not isinstance(self.do(rank, Stat(path), **wanted), str)

    def may_be(self, look: Callable[..., Any], *arguments: Any, **stale: int) -> set[Any]:
        """What a look may give, stale or fresh; nothing is changed by looking."""
        found = set()
        for wanted in ({}, stale):
            mark = self.filesystem.mark()
            found.add(look(*arguments, **wanted))
            self.filesystem.rollback(mark)
        return found

    def create(self, rank: int, path: str, content: bytes = b"") -> None:
        """Make a file, write it and close it."""
        descriptor = self.do(rank, Open(path, CREATE))
        if content:
            self.do(rank, Write(descriptor, content))
        self.do(rank, Close(descriptor))

    def mkdir(self, rank: int, path: str) -> None:
        """Make a directory that must be new."""
        assert self.do(rank, Mkdir(path)) is None

    def content(self, rank: int, path: str) -> Any:
        """Open a file and read it."""
        descriptor = self.do(rank, Open(path, os.O_RDONLY))
        if isinstance(descriptor, str):
            return descriptor
        given = self.do(rank, Read(descriptor, -1))
        self.do(rank, Close(descriptor))
        return given

    def names(self, rank: int, target: str | int = "", **wanted: int) -> Any:
        """The names in a directory, or an errno."""
        given = self.do(rank, Readdir(target), **wanted)
        return given if isinstance(given, str) else [name for name, _, _ in given]
