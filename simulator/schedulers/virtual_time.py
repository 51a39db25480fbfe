"""The order of the clock: the operation that ends first goes first, as on the cluster that a cost model describes."""

from __future__ import annotations

from simulator.costs import CostModel, Durations, RankUsage, Timeline, Usage
from simulator.operations import Collective, Extent, Join, Operation, Read, Write
from simulator.run import Frontier


class VirtualTime:
    """Grants what the time line says ends next, and keeps account of where each rank's time went.

    One instance serves one run. Computation between operations takes no time. A rank that has passed a collective
    goes on when the last of the others has come and the collective's rounds are done; its wait is charged to it.
    """

    def __init__(self, model: CostModel, world_size: int, ranks_per_node: int) -> None:
        self._timeline = Timeline(model, ranks_per_node)
        self._usage = Usage(world_size, ranks_per_node)
        self._durations = Durations(model)
        self._world_size = world_size
        self._begun: dict[int, int] = {}
        self._took: dict[int, int] = {}
        self._ended: dict[int, int] = {}
        self._passed: dict[int, Operation] = {}
        self._seen = 0
        self._frontier: Frontier | None = None

    @property
    def seconds(self) -> float:
        """Virtual time so far."""
        return self._timeline.now / 1e9

    def usage(self) -> list[RankUsage]:
        """What each rank used so far, by rank."""
        if self._frontier is not None:
            self._take_note(self._frontier)
        return self._usage.per_rank()

    def begin(self, attempt: int) -> None:
        """The job starts, or starts again, with nothing pending; the clock goes on."""
        for task in self._begun:
            self._timeline.cancel(task)
        self._begun, self._took, self._ended, self._passed = {}, {}, {}, {}
        self._seen = 0
        self._frontier = None

    def choose(self, frontier: Frontier, last: int) -> int:
        """The ready task whose operation ends first."""
        timeline, pending = self._timeline, frontier.pending
        self._frontier = frontier
        self._take_note(frontier)
        for task in [task for task in self._begun if task not in pending]:
            # Killed, or its file lock is taken: what it had begun does not end now.
            timeline.cancel(task)
            del self._begun[task]
        for task in frontier.ready:
            if task not in self._begun:
                self._start(task, pending[task])
        found = timeline.next_completion()
        assert found is not None, "every ready task has begun its operation"
        task = found[0]
        now = timeline.finish(task)
        self._ended[task] = now
        self._took[task] = now - self._begun.pop(task)
        return task

    def _take_note(self, frontier: Frontier) -> None:
        """Look at what has been done since the last choice, all of it at the present of the clock.

        Collectives end waits; opens tell how fast a file is written. What was granted and did not take place, since its
        rank was killed there, is charged to nobody.
        """
        steps, now = frontier.steps, self._timeline.now
        for step in steps[self._seen :]:
            if isinstance(step.operation, Collective | Join):
                self._usage.wait(step.rank, now - self._ended.get(step.task, 0))
                self._usage.charge(step.rank, step.operation, 0)
                self._ended[step.task] = now
                self._passed[step.task] = step.operation
                continue
            self._usage.charge(
                step.rank, step.operation, self._took.pop(step.task, 0), _moved(step.operation, step.value)
            )
            if step.error is None:
                self._timeline.performed(step.rank, step.operation, step.value)
        self._seen = len(steps)

    def _start(self, task: int, operation: Operation) -> None:
        """The task begins its operation: now, or a little later if it comes out of a collective."""
        passed = self._passed.pop(task, None)
        now = self._timeline.now + (self._durations.latency(passed) if passed is not None else 0)
        self._timeline.begin(task, task % self._world_size, operation, now)
        self._begun[task] = now


def _moved(operation: Operation, value: object) -> int | None:
    """The bytes that a read gave, or a write took; None where the operation itself tells."""
    if isinstance(operation, Read):
        return len(value) if isinstance(value, bytes | Extent) else 0
    return value if isinstance(operation, Write) and isinstance(value, int) else None
