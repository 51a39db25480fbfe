"""Tasks: the threads of control of the ranks, as the dispatcher knows them, and what executes their code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from simulator.engines.interface import Effects
from simulator.engines.process import SimulatedProcess
from simulator.operations import Collective, Lock, Operation

Outcome = tuple[Any, BaseException | int | None]
"""What an operation gave, or what it raised: an exception, or the errno of an OSError that the task itself makes."""


class ProcessDied(Exception):
    """The process of a rank has ended by itself, without a word: a crash, ``os._exit``, or somebody else's kill."""


class Task:
    """One thread of control of a rank.

    ``run`` gives it an outcome and lets it run to its next operation, which it returns; None when the task has ended,
    with ``value``, or ``error`` and ``raised_at`` (its source line) set. ``clock`` is its number among the clocks.
    ``refused`` counts grants that a file lock turned down. ``effects`` is where it is recorded what its code does now.
    ``origin`` says which task started it, after how many steps.
    """

    __slots__ = (
        "clock",
        "count",
        "effects",
        "error",
        "finished",
        "joiners",
        "number",
        "origin",
        "process",
        "raised_at",
        "rank",
        "refused",
        "retried",
        "run",
        "site",
        "value",
    )

    run: Callable[[Outcome], Operation | None]

    def __init__(self, number: int, process: SimulatedProcess) -> None:
        self.number = number
        self.process = process
        self.rank = process.rank
        self.clock = number
        self.count = 0
        self.effects = Effects()
        self.origin: tuple[int, int] | None = None
        self.refused = 0
        self.retried = False
        self.finished = False
        self.value: Any = None
        self.error: BaseException | None = None
        self.raised_at: str | None = None
        self.joiners: list[Task] = []
        self.site: str | None = None


def waits_for(operation: Operation) -> str:
    """What a task waits for that is about to do that operation and cannot, in words."""
    if isinstance(operation, Collective):
        return operation.name.replace("_", " ")
    if isinstance(operation, Lock):
        return "file lock"
    return "background task"


class Executor(Protocol):
    """Runs the code of tasks; makes their ``run``."""

    def end(self, process: SimulatedProcess, tasks: Sequence[Task]) -> None:
        """The process dies now, with these tasks of it unfinished. It touches nothing any more."""
        ...

    def close(self) -> None:
        """No process is left, dead or alive."""
        ...
