"""The in-process engine: one greenlet a task, on a file system that lives in this process.

Deterministic by construction, provided that garbage collection is off while it runs (``run.execute`` sees to it): a
file object that the collector closes would be closed on whichever rank happens to run. Module globals of code under
test are shared between ranks here; the engine ``processes`` is the witness against that.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from greenlet import getcurrent, greenlet

from simulator.boundary.caller import CURRENT
from simulator.engines.collectives import Meetings, Mismatch
from simulator.engines.interface import Ending, Program, Step
from simulator.engines.process import SimulatedProcess, source_site
from simulator.engines.watchdog import Stuck
from simulator.errors import Escape, RankKilled
from simulator.filesystems import Filesystem
from simulator.operations import LOCAL, Collective, Join, Lock, Operation, Sleep
from simulator.rank import Rank

_TICK = 1_000
"""What an operation takes when no costs are charged, in nanoseconds: time then only tells the order."""


class _Task:
    """One thread of control of a rank."""

    __slots__ = ("count", "error", "finished", "greenlet", "joiners", "number", "process", "site", "value")

    def __init__(self, number: int, process: SimulatedProcess, body: greenlet) -> None:
        self.number = number
        self.process = process
        self.greenlet = body
        self.count = 0
        self.finished = False
        self.value: Any = None
        self.error: BaseException | None = None
        self.joiners: list[_Task] = []
        self.site: str | None = None


class _BackgroundHandle:
    """What ``rank.background`` gives: asks about, or waits for, one task."""

    def __init__(self, task: _Task, process: SimulatedProcess) -> None:
        self._task = task
        self._process = process

    def done(self) -> bool:
        return self._task.finished

    def wait(self) -> Any:
        return self._process.perform(Join(self._task.number))


class GreenletEngine:
    """Runs one attempt of a job: ``programs[r]`` is the code of rank r."""

    def __init__(
        self,
        filesystem: Filesystem,
        programs: Sequence[Program],
        *,
        nodes: int,
        root: str,
        attempt: int = 0,
        viewer: bool = False,
        detail: bool = False,
        fresh_states: Callable[[int], Callable[[int], Any]] | None = None,
    ) -> None:
        self.filesystem = filesystem
        self.world_size = len(programs)
        self.attempt = attempt
        self.ready: list[int] = []
        self.pending: dict[int, Operation] = {}
        self.steps: list[Step] = []
        self.endings: dict[int, Ending] = {}
        self.mismatch: Mismatch | None = None
        self.saved: dict[int, int] = {}
        self.changed_at = 0
        self.strike: Callable[[int, int, Operation], OSError | None] | None = None
        """Asked before each operation of a task (number, n): may kill ranks, or give the error that it fails with."""
        self.resumed: dict[int, tuple[int, str]] = {}
        self.failed: list[int] = []
        self.looks: list[tuple[int, int, str]] = []
        self._hub = getcurrent()
        self._viewer = viewer
        self._detail = detail
        self._escape: str | None = None
        self._stuck: str | None = None
        self._tasks: dict[int, _Task] = {}
        self._meetings = Meetings()
        self._waiting: dict[int, Operation] = {}
        self._locked: list[int] = []
        self._runnable: deque[tuple[_Task, Any, BaseException | None]] = deque()
        self._processes: list[SimulatedProcess] = []
        ranks_per_node = self.world_size // nodes
        for index, program in enumerate(programs):
            process = SimulatedProcess(
                self, index, nodes=nodes, ranks_per_node=ranks_per_node, root=root, attempt=attempt
            )
            if viewer:
                process.number = -1 - index
            rank = Rank(
                process,
                index=index,
                nodes=nodes,
                ranks_per_node=ranks_per_node,
                root=Path(root),
                attempt=attempt,
                fresh_state=fresh_states(index) if fresh_states is not None else None,
            )
            self._processes.append(process)
            self._add(index, process, lambda program=program, rank=rank: program(rank))

    # -- the engine's interface ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Run every rank to its first operation."""
        for number in range(self.world_size):
            self._runnable.append((self._tasks[number], None, None))
        self._settle()

    def grant(self, task: int) -> None:
        """Carry out the task's pending operation and run it to its next one."""
        actor = self._tasks[task]
        operation = self.pending[task]
        process = actor.process
        value: Any = None
        error: OSError | None = None
        if self.strike is not None:
            error = self.strike(task, actor.count, operation)
            if process.dead:
                self._settle()
                return
        if error is not None:
            process.time += _TICK
        elif type(operation) is Sleep:
            process.time += max(0, int(operation.seconds * 1e9))
        else:
            process.time += _TICK
            self.changed_at = now = max(self.changed_at + _TICK, process.time)
            try:
                value = self.filesystem.perform(process.number, operation, now)
            except OSError as refusal:
                error = refusal
                if type(operation) is Lock and getattr(refusal, "would_wait", False):
                    self._park(task, operation)
                    return
        self.steps.append(Step(task, process.rank, actor.count, operation, value, error, actor.site))
        actor.count += 1
        if self._locked:
            self._unpark()
        self._runnable.append((actor, value, error))
        self._settle()

    def kill(self, rank: int) -> None:
        """The rank dies now: its tasks unwind without touching anything, its descriptors close."""
        process = self._processes[rank]
        if process.dead or rank in self.endings:
            return
        process.dead = True
        for task in [t for t in self._tasks.values() if t.process is process and not t.finished]:
            self._forget(task.number)
            self._throw(task)
        self.endings[rank] = Ending(rank, killed=True)
        self.filesystem.release(process.number)
        if self._locked:
            self._unpark()

    def alive(self, rank: int) -> bool:
        """Whether the rank's main task still runs."""
        return rank not in self.endings

    def position(self, task: int) -> int:
        """How many operations the task has done."""
        return self._tasks[task].count

    def waiting(self) -> dict[int, str]:
        """The ranks that wait for something that has not come, each with what it waits for."""
        return {number % self.world_size: _waits_for(operation) for number, operation in self._waiting.items()}

    def times(self) -> list[int]:
        """Each rank's clock, in nanoseconds since the epoch of the simulation."""
        return [process.time for process in self._processes]

    def close(self) -> None:
        """End whatever still runs."""
        for rank in range(self.world_size):
            self.kill(rank)

    # -- what processes call ------------------------------------------------------------------------------------

    def hand_over(self, process: SimulatedProcess, operation: Operation) -> Any:
        """Called on a task's greenlet: give the operation to the hub, wait for the grant, give its result."""
        if process.dead:
            raise RankKilled
        if type(operation) in LOCAL or (
            self._viewer and type(operation) is not Collective and type(operation) is not Join
        ):
            return self.filesystem.perform(process.number, operation, self.changed_at)
        if self._detail:
            process.site = source_site()
        value, error = self._hub.switch(operation)
        if error is not None:
            raise error
        return value

    def spawn(self, process: SimulatedProcess, function: Callable[[], Any]) -> _BackgroundHandle:
        """Start a background task; it becomes ready like any other."""
        number = process.rank + self.world_size * (process.spawned + 1)
        process.spawned += 1
        task = self._add(number, process, function)
        self._runnable.append((task, None, None))
        return _BackgroundHandle(task, process)

    def report_escape(self, call: str) -> None:
        """Remember the first escape; the run ends with it even if code under test swallows the exception."""
        if self._escape is None:
            self._escape = call

    def report_stuck(self, text: str) -> None:
        """Remember that a rank used up the wall time; the run ends as incomplete."""
        self._stuck = text

    # -- inside -------------------------------------------------------------------------------------------------

    def _add(self, number: int, process: SimulatedProcess, function: Callable[[], Any]) -> _Task:
        def body(_: object) -> None:
            try:
                task.value = function()
            except BaseException as raised:
                task.error = raised

        task = _Task(number, process, greenlet(body, self._hub))
        self._tasks[number] = task
        return task

    def _settle(self) -> None:
        """Run every runnable task to its next operation; collectives and joins may make further ones runnable."""
        runnable = self._runnable
        while runnable:
            task, value, error = runnable.popleft()
            if task.process.dead:
                continue
            CURRENT.caller = task.process
            operation = task.greenlet.switch((value, error))
            CURRENT.caller = None
            if self._detail:
                task.site = task.process.site
            if self._escape is not None:
                raise Escape(f"rank {task.process.rank} reached past the simulation: {self._escape}")
            if self._stuck is not None:
                raise Stuck(self._stuck)
            if task.greenlet.dead:
                self._finish(task)
            elif type(operation) is Collective:
                self._arrive(task, operation)
            elif type(operation) is Join:
                self._join(task, operation)
            else:
                number = task.number
                if number not in self.pending:
                    insort(self.ready, number)
                self.pending[number] = operation

    def _finish(self, task: _Task) -> None:
        task.finished = True
        self._forget(task.number)
        rank = task.process.rank
        if task.number == rank:
            self.endings[rank] = Ending(rank, task.value, task.error)
            if task.error is not None:
                self.failed.append(rank)
            self.filesystem.release(task.process.number)
        for joiner in task.joiners:
            self._complete(joiner, Join(task.number), task.value, task.error)

    def _arrive(self, task: _Task, operation: Collective) -> None:
        number = task.number
        self._forget(number)
        rank = task.process.rank
        if self.strike is not None:
            self.strike(number, task.count, operation)
            if task.process.dead:
                return
        self._waiting[number] = operation
        task.process.in_collective = number
        released, mismatch = self._meetings.arrive(rank, operation)
        if mismatch is not None:
            self.mismatch = mismatch
            return
        if not released:
            return
        waiting = [(r, self._processes[r]) for r in released]
        latest = max(process.time for _, process in waiting) if operation.name != "broadcast" else 0
        for r, process in waiting:
            member = self._tasks[process.in_collective]
            process.time = max(process.time, latest)
            self._complete(member, self._waiting.pop(member.number), released[r], None)

    def _join(self, task: _Task, operation: Join) -> None:
        awaited = self._tasks[operation.task]
        self._forget(task.number)
        if awaited.finished:
            self._complete(task, operation, awaited.value, awaited.error)
        else:
            self._waiting[task.number] = operation
            awaited.joiners.append(task)

    def _complete(self, task: _Task, operation: Operation, value: Any, error: BaseException | None) -> None:
        self._waiting.pop(task.number, None)
        process = task.process
        self.steps.append(Step(task.number, process.rank, task.count, operation, None, None, task.site))
        task.count += 1
        self._runnable.append((task, value, error))

    def _park(self, task: int, operation: Operation) -> None:
        self._forget(task)
        self._waiting[task] = operation
        self._locked.append(task)

    def _unpark(self) -> None:
        for number in self._locked:
            operation = self._waiting.pop(number, None)
            if operation is not None and number not in self.pending:
                insort(self.ready, number)
                self.pending[number] = operation
        self._locked.clear()

    def _forget(self, number: int) -> None:
        self._waiting.pop(number, None)
        if self.pending.pop(number, None) is not None:
            del self.ready[bisect_left(self.ready, number)]

    def _throw(self, task: _Task) -> None:
        previous = CURRENT.caller
        CURRENT.caller = task.process
        try:
            if task.greenlet:
                task.greenlet.throw(RankKilled)
        finally:
            CURRENT.caller = previous
        task.finished = True


def _waits_for(operation: Operation) -> str:
    if isinstance(operation, Collective):
        return operation.name.replace("_", " ")
    if isinstance(operation, Lock):
        return "file lock"
    return "background task"
