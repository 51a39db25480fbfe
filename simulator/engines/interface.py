"""What the run loop needs of an engine: the tasks that can go on, and a way to let one take its next step."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from simulator.boundary.printing import Output
from simulator.operations import Access, Operation, Sleep
from simulator.rank import Rank

if TYPE_CHECKING:
    from simulator.engines.charging import Charging
    from simulator.engines.collectives import Mismatch

Program = Callable[[Rank], Any]
"""The code of one rank."""


class Instead(msgspec.Struct, frozen=True, gc=False):
    """What is carried out in place of an operation; with None nothing is, and the operation gives None.

    It takes ``late`` nanoseconds longer than it would.
    """

    operation: Operation | None
    late: int = 0


Strike = Callable[[int, int, Operation], OSError | Instead | None]
"""(task, n, operation): asked before the n-th operation of a task. May kill ranks, or let them hang; gives the error to
fail with, or what is carried out instead."""


class Effects(msgspec.Struct, gc=False):
    """What a step did beside its result; recorded only for those who ask (``Engine.record_effects``).

    ``accesses`` is what it touched, and what the code that ran after it touched until the next operation of its task.
    ``after`` are (task, n): the step cannot come before the n-th of that task, which started this one, met it in a
    collective, or was waited for. ``local`` are the operations of that code that are no scheduling points, with their
    ranks; ``saved`` and ``resumed`` what its ranks noted; ``finished`` the ranks whose main task ended, ``released``
    those whose process did. ``injected``: the step was struck by a fault and not carried out as it stands.
    """

    accesses: list[Access] = []
    after: list[tuple[int, int]] = []
    local: list[tuple[int, Operation]] = []
    saved: list[tuple[int, int]] = []
    resumed: list[tuple[int, int, str]] = []
    finished: list[int] = []
    released: list[int] = []
    injected: bool = False
    moment: int = 0
    """What the clock of the task showed before the step."""


class Step(msgspec.Struct, gc=False):
    """One operation as it was carried out: the raw form of a trace's event."""

    task: int
    rank: int
    n: int
    operation: Operation
    value: Any = None
    error: OSError | None = None
    site: str | None = None
    effects: Effects | None = None


class Saved(msgspec.Struct, frozen=True, gc=False):
    """A save that returned: of which step on which rank, and from when to when (nanoseconds since the Unix epoch)."""

    rank: int
    step: int
    began: int
    ended: int


class Ending(msgspec.Struct, frozen=True):
    """How a rank ended: it returned a value, raised an exception (``site`` is where, ``file:line``), or was killed."""

    rank: int
    value: Any = None
    error: BaseException | None = None
    killed: bool = False
    site: str | None = None


class Engine(Protocol):
    """Executes the ranks of one attempt of a job.

    A task is one thread of control: task r is the main task of rank r, further ones belong to background work
    (their rank is ``task % world_size``). ``ready`` is the sorted list of tasks that can take a step now, ``pending``
    the operation that each is about to do; both are kept up to date by ``start``, ``grant`` and ``kill``.

    ``saved`` is the newest step whose save returned, by rank, ``saves`` are all that returned, in order; ``resumed``
    the step and name that a rank resumed from. ``failed`` are the ranks that raised, in order; ``mismatch`` is set when
    ranks disagree about a collective; ``output`` is the end of what each rank has printed. ``looks`` are (position in
    steps of the stat that gave it, inode, facet) of each look at an mtime, a ctime or a link count; ``late_looks`` are
    (task, n of the stat, facet) of those that came after a further step of the task. With ``record_effects`` each step
    is given its ``Effects``; ``initial`` are those of what comes before the first step.
    """

    @property
    def ready(self) -> Sequence[int]:
        """Sorted tasks that can take a step now; the same object all the time."""
        ...

    @property
    def pending(self) -> Mapping[int, Operation]:
        """What each of them is about to do; the same object all the time."""
        ...

    steps: list[Step]
    endings: dict[int, Ending]
    failed: list[int]
    mismatch: Mismatch | None
    output: dict[int, Output]
    saved: dict[int, int]
    saves: list[Saved]
    resumed: dict[int, tuple[int, str]]
    looks: list[tuple[int, int, str]]
    late_looks: list[tuple[int, int, str]]
    record_effects: bool
    initial: Effects
    strike: Strike | None
    charging: Charging | None
    world_size: int
    attempt: int

    def start(self) -> None:
        """Run every rank to its first operation."""
        ...

    def grant(self, task: int) -> None:
        """Carry out the task's pending operation and run it to its next one. Appends to ``steps``.

        A file lock that somebody else holds is not carried out: the task waits and is ready again when it may succeed.
        Raises CannotDo when code under test escapes or gets stuck.
        """
        ...

    def kill(self, rank: int) -> None:
        """The rank dies now, instead of doing what it was about to do; its descriptors close."""
        ...

    def hang(self, rank: int) -> None:
        """The rank stops now and does not die: it keeps its descriptors and locks until the attempt ends."""
        ...

    def default(self, last: int) -> int:
        """Who goes next in an undisturbed run, after the task ``last``; there must be a ready task.

        With costs that is the one whose operation ends first, without the same task as long as it can go on.
        """
        ...

    def earliest(self) -> int:
        """The task whose pending operation ends first. Raises UsageError when no costs are charged."""
        ...

    def position(self, task: int) -> int:
        """How many grants the task has had: its operations, and each time that a file lock made it wait."""
        ...

    def waiting(self) -> dict[int, str]:
        """The ranks that are alive and cannot go on, each with what it waits for."""
        ...

    def times(self) -> list[int]:
        """Each rank's clock, in nanoseconds since the Unix epoch."""
        ...

    def latest(self) -> int:
        """The latest time that any clock of the job shows."""
        ...

    def last_change(self) -> int:
        """The modification time that was given last, 0 if there is none."""
        ...

    def close(self) -> None:
        """End whatever still runs, without a trace of it."""
        ...


def default_task(ready: Sequence[int], last: int, pending: Mapping[int, Operation] | None = None) -> int:
    """Who goes next when nothing disturbs a run without costs: the same task, else the next one in cyclic order.

    A task that is about to sleep lets the others go first, or a loop that polls would starve what it waits for.
    """
    if pending is not None and last in pending and type(pending[last]) is not Sleep:
        return last
    position = bisect_right(ready, last)
    if pending is None and position and ready[position - 1] == last:
        return last
    return ready[position] if position < len(ready) else ready[0]
