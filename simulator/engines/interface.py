"""What the run loop needs of an engine: the tasks that can go on, and a way to let one take its next step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from simulator.operations import Operation
from simulator.rank import Rank

Program = Callable[[Rank], Any]
"""The code of one rank."""


class Step(msgspec.Struct, gc=False):
    """One operation as it was carried out: the raw form of a trace's event."""

    task: int
    rank: int
    n: int
    operation: Operation
    value: Any = None
    error: OSError | None = None
    site: str | None = None


class Ending(msgspec.Struct, frozen=True):
    """How a rank ended: it returned a value, raised an exception, or was killed."""

    rank: int
    value: Any = None
    error: BaseException | None = None
    killed: bool = False


class Engine(Protocol):
    """Executes the ranks of one attempt of a job.

    A task is one thread of control: task r is the main task of rank r, further ones belong to background work
    (their rank is ``task % world_size``). ``ready`` is the sorted list of tasks that can take a step now, ``pending``
    the operation that each is about to do; both are kept up to date by ``start``, ``grant`` and ``kill``.
    """

    ready: Sequence[int]
    pending: Mapping[int, Operation]
    steps: list[Step]
    endings: dict[int, Ending]
    world_size: int

    def start(self) -> None:
        """Run every rank to its first operation."""
        ...

    def grant(self, task: int) -> None:
        """Carry out the task's pending operation and run it to its next one. Appends to ``steps``."""
        ...

    def kill(self, rank: int) -> None:
        """The rank dies now, instead of doing what it was about to do; its descriptors close."""
        ...

    def position(self, task: int) -> int:
        """How many operations the task has done."""
        ...

    def waiting(self) -> dict[int, str]:
        """The ranks that are alive and cannot go on, each with what it waits for."""
        ...

    def close(self) -> None:
        """End whatever still runs, without a trace of it."""
        ...
