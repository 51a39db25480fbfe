"""Charges what a job does: when each operation ends, on one time line, and what each rank used.

Only jobs whose scenario has a cost profile are charged. Times are nanoseconds since the Unix epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from simulator.clock import Clock
from simulator.costs import CostModel, Durations, Timeline, Usage
from simulator.engines.conditions import Conditions
from simulator.engines.programs import RankPrograms
from simulator.operations import Operation, Read, Write


class Charged(Protocol):
    """A task, as far as it is charged: ``clock`` is its number among the clocks."""

    number: int
    clock: int

    @property
    def rank(self) -> int:
        """The rank that it belongs to."""
        ...


class Charging:
    """The time line and the sums of one attempt.

    A task begins an operation when it becomes pending, at the time of its own clock, and the clock shows the
    operation's end from the grant on. A collective is mostly nothing that anybody grants: it ends for all its
    participants a fixed time after the latest arrival, and needs no place on the time line.
    """

    def __init__(
        self, model: CostModel, clock: Clock, ranks: int, ranks_per_node: int, slowdowns: Mapping[int, float]
    ) -> None:
        self.usage = Usage(ranks, ranks_per_node)
        self._clock = clock
        self._slowdowns = slowdowns
        self._durations = Durations(model)
        self._timeline = Timeline(model, ranks_per_node)

    @property
    def now(self) -> int:
        """The end of the operation that was granted last."""
        return self._timeline.now

    def shown(self, task: Charged) -> int:
        """What the task's clock shows."""
        return self._clock.times[task.clock]

    def begin(self, task: Charged, operation: Operation) -> None:
        """The task's operation becomes pending. One that waited for others, for a lock, begins no earlier than now."""
        rank = task.rank
        now = max(self._clock.times[task.clock], self._timeline.now)
        self._clock.times[task.clock] = now
        self._timeline.begin(task.number, rank, operation, now, self._slowdowns.get(rank, 1.0))

    def finish(self, task: Charged) -> int:
        """The task is granted: its clock moves to the end of its operation. Gives what that took, in nanoseconds."""
        return self._clock.wait_until(task.clock, self._timeline.finish(task.number))

    def charge(self, task: Charged, operation: Operation, duration: int, value: Any, failed: bool) -> None:
        """The operation has been carried out and gave ``value``, or it has failed."""
        size = None
        if failed:
            size = 0
        elif type(operation) is Read:
            size = len(value)
        elif type(operation) is Write:
            size = value
        self.usage.charge(task.rank, operation, duration, size, self._clock.times[task.clock])
        if not failed:
            self._timeline.performed(task.rank, operation, value)

    def performed(self, rank: int, operation: Operation, value: Any) -> None:
        """A rank has done an operation that is no scheduling point, and takes no time."""
        self._timeline.performed(rank, operation, value)

    def wait(self, task: Charged, operation: Operation, moment: int, size: int) -> int:
        """What the task waits for in a collective comes at ``moment``, and so many bytes with it.

        Gives the nanoseconds until it goes on from when they are there.
        """
        waited = self._clock.wait_until(task.clock, moment + self._durations.carrying(size))
        latency = self._durations.latency(operation)
        self.usage.wait(task.rank, waited + latency)
        self.usage.charge(task.rank, operation, latency)
        return latency

    def cancel(self, task: int) -> None:
        """What the task has begun will not end: it was killed, or does something else."""
        self._timeline.cancel(task)

    def earliest(self) -> int:
        """The task whose pending operation ends first."""
        return self._next()[0]

    def next_end(self) -> int:
        """When that operation ends."""
        return self._next()[1]

    def _next(self) -> tuple[int, int]:
        found = self._timeline.next_completion()
        assert found is not None, "every task that can go on has begun its operation"
        return found


def charging_for(costs: CostModel | None, clock: Clock, ranks: RankPrograms, conditions: Conditions) -> Charging | None:
    """What charges the costs to the ranks of an attempt; None where nothing costs anything."""
    if costs is None:
        return None
    return Charging(costs, clock, ranks.world_size, ranks.ranks_per_node, conditions.slowdowns)
