"""Virtual time: a clock for each task, and one clock for modification times.

Times are integer nanoseconds since the Unix epoch. A task's clock is moved by what the task itself does (operations,
sleeps, computing) and by the collectives it takes part in, never by what others do: independent operations then
commute exactly, clock readings included. Modification times are global: each change is later than the one before it,
whatever the tasks' clocks say, and never earlier than the clock of the task that made it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

EPOCH: Final = 1_767_225_600_000_000_000
"""Where virtual time starts: 2026-01-01T00:00:00Z."""

SECOND: Final = 1_000_000_000

RESOLUTION: Final = 1_000
"""Nanoseconds by which one change is later than the one before, at least.

Code under test compares ``st_mtime``, a float that is exact to 238 ns at this epoch.
"""

SKEW_STEPS: Final = 4
"""In how many steps a clock's error goes from nothing to its bound, in either direction."""


class NodeClock(msgspec.Struct, frozen=True):
    """How a node's clock differs from true time: ``offset`` in nanoseconds, ``drift`` in seconds a second."""

    offset: int = 0
    drift: float = 0.0


_TRUE: Final = NodeClock()


def node_clock(offset: int, drift: int, offset_bound: float, drift_bound: float) -> NodeClock:
    """The clock that two choices of the tape stand for. Bounds in seconds, and in seconds a second.

    The choices 1, 2, 3, 4, ... are +1, -1, +2, -2, ... of the ``SKEW_STEPS`` steps to the bound, where all further
    ones stay.
    """
    return NodeClock(round(_part(offset) * offset_bound * SECOND), _part(drift) * drift_bound)


def _part(choice: int) -> float:
    """Which part of its bound a choice stands for, from -1 to 1."""
    steps = min((choice + 1) // 2, SKEW_STEPS)
    return (steps if choice % 2 else -steps) / SKEW_STEPS


def nanoseconds(seconds: float) -> int:
    """Seconds as whole nanoseconds. Raises ValueError for a negative time and for one that is not finite."""
    if not 0.0 <= seconds < float("inf"):
        raise ValueError(f"a duration must be finite and not negative, is {seconds}")
    return round(seconds * SECOND)


class Clock:
    """The clocks of all tasks of a run.

    ``times`` is the list of the tasks' clocks, by task; ``last_change`` the modification time given last (0: none).
    ``skews`` says which nodes' clocks are wrong; that affects only what ``read`` gives. A later attempt of a job
    starts where the last one ended and passes that one's ``last_change`` on.
    """

    __slots__ = ("_skews", "_start", "last_change", "times")

    def __init__(
        self,
        tasks: int,
        start: int = EPOCH,
        last_change: int = 0,
        skews: Mapping[int, NodeClock] | None = None,
    ) -> None:
        self.times = [start] * tasks
        self.last_change = last_change
        self._start = start
        self._skews = dict(skews or {})

    def add(self, moment: int) -> int:
        """A further task (a background task, say), whose clock starts at ``moment``; gives its number."""
        self.times.append(moment)
        return len(self.times) - 1

    def advance(self, task: int, duration: int) -> int:
        """The task spends ``duration`` nanoseconds; gives its new time."""
        moment = self.times[task] + duration
        self.times[task] = moment
        return moment

    def wait_until(self, task: int, moment: int) -> int:
        """The task waits until ``moment``, not at all when that has passed; gives the nanoseconds waited."""
        waited = moment - self.times[task]
        if waited <= 0:
            return 0
        self.times[task] = moment
        return waited

    def meet(self, tasks: Iterable[int], latency: int = 0) -> int:
        """Tasks complete a collective: all go on at the latest arrival plus ``latency``; gives that moment."""
        members = tuple(tasks)
        moment = max(self.times[task] for task in members) + latency
        for task in members:
            self.times[task] = moment
        return moment

    def change(self, task: int, tie: bool = False) -> int:
        """The modification time of a change that the task makes now.

        With ``tie`` it is that of the change before, as file systems with a coarse clock give it. The first change
        of a run cannot tie.
        """
        moment = self.times[task]
        last = self.last_change
        if tie and last:
            return last
        if last and moment < last + RESOLUTION:
            moment = last + RESOLUTION
        self.last_change = moment
        return moment

    def read(self, task: int, node: int) -> int:
        """What the task reads from its node's clock: its own time, and the node's offset and drift."""
        moment = self.times[task]
        skew = self._skews.get(node, _TRUE)
        return moment + skew.offset + round(skew.drift * (moment - self._start))

    def latest(self) -> int:
        """The latest time that any task has reached."""
        return max(self.times)
