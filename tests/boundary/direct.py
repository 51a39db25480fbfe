"""A caller that carries operations out at once on the POSIX model, and notes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from simulator.boundary.caller import CURRENT
from simulator.errors import Escape
from simulator.filesystems.interface import Attributes
from simulator.filesystems.posix.model import PosixModel
from simulator.operations import Operation, Sleep

ROOT = "/dev/null/ckptrace"


class DirectCaller:
    """One rank without an engine: implements ``boundary.caller.Caller``."""

    def __init__(self, rank: int = 0, model: PosixModel | None = None, root: str = ROOT) -> None:
        self.rank = rank
        self.hostname = f"node{rank}"
        self.pid = 4000 + rank
        self.root = root
        self.cwd = root
        self.umask = 0o022
        self.world_size = 1
        self.joined = True
        self.groups: Any = None
        self.environ = {"RANK": str(rank), "HOME": "/root"}
        self.random = Random(rank)
        self.entropy = Random(f"entropy of {rank}")
        self.model = PosixModel() if model is None else model
        self.operations: list[Operation] = []
        self.looks: list[tuple[int, str]] = []
        self.escapes: list[str] = []
        self.now = 1_767_225_600_000_000_000

    def perform(self, operation: Operation) -> Any:
        self.operations.append(operation)
        self.now += 1_000_000
        if isinstance(operation, Sleep):
            self.now += int(operation.seconds * 1e9)
            return None
        return self.model.perform(self.rank, operation, self.now)

    def clock(self) -> int:
        return self.now

    def looked(self, attributes: Attributes, facet: str) -> None:
        self.looks.append((attributes.inode, facet))

    def printed(self, text: str) -> bool:
        return False

    def stuck(self, where: str) -> None:
        raise AssertionError(where)

    def escaped(self, call: str) -> None:
        self.escapes.append(call)
        raise Escape(call)

    def kinds(self) -> list[str]:
        """The names of the operations so far, which are then forgotten."""
        names = [type(operation).__name__ for operation in self.operations]
        self.operations.clear()
        return names


@contextmanager
def running(caller: Any) -> Iterator[Any]:
    """Let the code inside run in a caller's name."""
    before = CURRENT.caller
    CURRENT.caller = caller
    try:
        yield caller
    finally:
        CURRENT.caller = before
