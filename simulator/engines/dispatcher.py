"""The engine: keeps account of the tasks of a job and carries out what the scheduler grants them.

How the code of a task runs (in a greenlet of this process, or in a process of its own) is the executor's business:
each task has a function ``run`` that gives it the outcome of its last operation and gives back its next operation.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from errno import EINTR
from typing import Any

from simulator.boundary.printing import Output
from simulator.clock import Clock
from simulator.engines.charging import Charging
from simulator.engines.collectives import Meetings, Mismatch, Release
from simulator.engines.interface import Effects, Ending, Instead, Saved, Step, Strike, default_task
from simulator.engines.process import SimulatedProcess
from simulator.engines.tasks import Executor, ProcessDied, Task, waits_for
from simulator.errors import CannotDo, UsageError
from simulator.filesystems import Attributes, Filesystem, WouldBlock
from simulator.operations import Close, Collective, Join, Lock, Mode, Operation, Sleep, looked_at, memory, tries_again

_TICK = 1_000
"""What an operation takes when no costs are charged, in nanoseconds: time then only tells the order."""

_TOUCHES_LOCKS = frozenset({Close, Lock})


class Dispatcher:
    """Runs one attempt of a job; implements ``interface.Engine`` and ``process.Journal``.

    ``clock`` is that of the processes, too. Without ``charging`` every operation takes the same.
    """

    __slots__ = (
        "_clock", "_executor", "_fatal", "_hung", "_locked", "_lockers", "_meetings", "_processes", "_released",
        "_runnable", "_running", "_tasks", "_waiting", "attempt", "charging", "endings", "failed", "filesystem",
        "initial", "late_looks", "looks", "mismatch", "output", "pending", "ready", "record_effects", "resumed",
        "saved", "saves", "steps", "strike", "world_size",
    )  # fmt: skip

    def __init__(
        self,
        filesystem: Filesystem,
        executor: Executor,
        processes: Sequence[SimulatedProcess],
        attempt: int,
        clock: Clock,
        charging: Charging | None = None,
    ) -> None:
        self.filesystem = filesystem
        self.world_size = len(processes)
        self.attempt = attempt
        self.ready: list[int] = []
        self.pending: dict[int, Operation] = {}
        self.steps: list[Step] = []
        self.endings: dict[int, Ending] = {}
        self.failed: list[int] = []
        self.mismatch: Mismatch | None = None
        self.output: dict[int, Output] = {}
        self.saved: dict[int, int] = {}
        self.saves: list[Saved] = []
        self.resumed: dict[int, tuple[int, str]] = {}
        self.looks: list[tuple[int, int, str]] = []
        self.late_looks: list[tuple[int, int, str]] = []
        self.record_effects = False
        self.initial = Effects()
        self.strike: Strike | None = None
        self.charging = charging
        self._clock = clock
        self._executor = executor
        self._processes = processes
        self._fatal: CannotDo | None = None
        self._tasks: dict[int, Task] = {}
        self._meetings = Meetings(sized=charging is not None)
        self._waiting: dict[int, Operation] = {}
        self._hung: list[SimulatedProcess] = []
        self._locked: list[int] = []
        self._lockers: set[int] = set()
        self._released: dict[int, Release] = {}
        self._running: Task | None = None
        self._runnable: deque[tuple[Task, Any, BaseException | int | None]] = deque()

    # -- the engine's interface ---------------------------------------------------------------------------------

    def add(self, task: Task, moment: int | None = None) -> None:
        """A task that begins with the next ``start``, ``grant`` or ``kill``.

        A background task was started at that ``moment`` (None: now, by the task of its process that runs).
        """
        self._tasks[task.number] = task
        if task.number >= self.world_size:
            task.clock = self._clock.add(task.process.time if moment is None else moment)
        task.effects = self.initial
        if self._running is not None:
            task.effects = self._running.effects
            task.origin = (self._running.number, self._running.count)
        self._runnable.append((task, None, None))

    def start(self) -> None:
        """Run every rank to its first operation."""
        self._settle()

    def grant(self, task: int) -> None:
        """Carry out the task's pending operation and run it to its next one."""
        actor = self._tasks[task]
        if task in self._released:
            self._leave(actor)
            return
        operation = self.pending[task]
        process = actor.process
        clock, charging = self._clock, self.charging
        value: Any = None
        error: OSError | None = None
        done: Operation | None = operation
        late = 0
        if actor.retried:
            actor.retried = False
        elif self.strike is not None:
            struck = self.strike(task, actor.count, operation)
            if process.dead:
                actor.refused += 1  # The choice after this grant has an address of its own.
                self._settle()
                return
            if isinstance(struck, Instead):
                done, late = struck.operation, struck.late
            elif struck is not None and not (struck.errno == EINTR and tries_again(operation)):
                error, done = struck, None
        if self.record_effects:
            self._begin(actor)
            actor.effects.injected = done is not operation
        kind = type(operation)
        if charging is not None:
            taken = charging.finish(actor)
        else:
            taken = _TICK if kind is not Sleep else max(0, int(operation.seconds * 1e9))  # type: ignore[attr-defined]
            clock.times[actor.clock] += taken
        if late:
            taken += late
            clock.advance(actor.clock, late)
        if done is not None and kind is not Sleep:
            try:
                value = self.filesystem.perform(process.number, done, clock.change(actor.clock))
            except WouldBlock as wait:
                if charging is None:
                    clock.advance(actor.clock, -taken)
                actor.refused += 1
                actor.retried = True
                if wait.would_wait:
                    self._lockers.add(process.rank)
                    self._park(actor, operation)
                else:
                    self._offer(actor, operation)
                self._settle()
                return
            except ProcessDied as death:
                self._lose(process, death)
                self._settle()
                return
            except OSError as refusal:
                # A traceback would hold on to frames, this one and those of the file system.
                error = refusal.with_traceback(None)
        if charging is not None:
            charging.charge(actor, operation, taken, value, error is not None)
        self._note(actor, operation, value, error, actor.effects)
        if kind in _TOUCHES_LOCKS:
            if kind is Lock:
                self._lockers.add(process.rank)
            if self._locked:
                self._unpark(clock.times[actor.clock])
        # The rank raises an error of its own: a traceback on the one that is kept would keep the rank's frames alive,
        # and with them files that its code has let go of.
        self._go_on(actor, value, None if error is None else error.errno)
        if self._runnable:
            self._settle()

    def kill(self, rank: int) -> None:
        """The rank dies now: its tasks touch nothing any more, its descriptors close."""
        process = self._processes[rank]
        alive = [task for task in self._tasks_of(process) if not task.finished]
        if process.dead or not alive:
            return
        self._bury(process, alive, Ending(rank, killed=True))

    def hang(self, rank: int) -> None:
        """The rank stops and does not die: nothing of it runs any more, and nothing of its is released."""
        process = self._processes[rank]
        if process.dead or all(task.finished for task in self._tasks_of(process)):
            return
        process.dead = True
        self._hung.append(process)
        for task in self._tasks_of(process):
            if task.number in self.pending:
                self._forget(task.number)

    def default(self, last: int) -> int:
        """Who goes next in an undisturbed run."""
        return default_task(self.ready, last, self.pending) if self.charging is None else self.charging.earliest()

    def earliest(self) -> int:
        """The task whose pending operation ends first. Raises UsageError when nothing is charged."""
        if self.charging is None:
            raise UsageError("costs.profile: going by time needs one, since operations take no time without")
        return self.charging.earliest()

    def position(self, task: int) -> int:
        """How many grants the task has had; none if it has not begun."""
        actor = self._tasks.get(task)
        return actor.count + actor.refused if actor is not None else 0

    def waiting(self) -> dict[int, str]:
        """The ranks that wait for something that has not come, each with what it waits for."""
        return {number % self.world_size: waits_for(operation) for number, operation in self._waiting.items()}

    def times(self) -> list[int]:
        """Each rank's clock, in nanoseconds since the Unix epoch: that of its main task."""
        return self._clock.times[: self.world_size]

    def latest(self) -> int:
        """What no clock of the job has passed."""
        return self._clock.latest()

    def last_change(self) -> int:
        """The last modification time that was given; 0 if there is none."""
        return self._clock.last_change

    def acting(self, rank: int, operation: Operation) -> tuple[int, int, int]:
        """The task of the rank that the file system does this operation for, its n, and the task's clock."""
        process, actor = self._processes[rank], self._tasks[rank]
        if process.spawned:  # One in the background, if the operation is that which it was granted.
            actor = next((t for t in self._tasks_of(process) if self.pending.get(t.number) is operation), actor)
        return actor.number, actor.count, self._clock.times[actor.clock]

    def close(self) -> None:
        """End whatever still runs."""
        for process in self._hung:
            process.dead = False
        for rank in range(self.world_size):
            self.kill(rank)
        self._executor.close()

    # -- what processes note ------------------------------------------------------------------------------------

    def record_save(self, rank: int, step: int, began: int, ended: int) -> None:
        """The save of ``step`` has returned on this rank."""
        self.saved[rank] = step
        self.saves.append(Saved(rank, step, began, ended))
        if self.charging is not None:
            self.charging.usage.stall(rank, ended - began)
        if self.record_effects and self._running is not None:
            self._running.effects.saved.append((rank, step))

    def record_resume(self, rank: int, step: int, name: str) -> None:
        """The rank has resumed from the checkpoint of that name and step."""
        self.resumed[rank] = (step, name)
        if self.record_effects and self._running is not None:
            self._running.effects.resumed.append((rank, step, name))

    def record_look(self, rank: int, attributes: Attributes, facet: str) -> None:
        """The rank read the ``mtime``, the ``ctime`` or the ``links`` of what one of its stats gave."""
        steps = self.steps
        for position in range(len(steps) - 1, -1, -1):
            step = steps[position]
            if step.rank == rank and (step.value is attributes or step.value == attributes):
                break
        else:
            position = -1  # A judgement's stat: no step.
        self.looks.append((position, attributes.inode, facet))
        if position < 0:
            return
        step, running = steps[position], self._running
        if running is None or (step.task, step.n) != (running.number, running.count - 1):
            self.late_looks.append((step.task, step.n, facet))
        if step.effects is not None:
            step.effects.accesses += looked_at(attributes.inode, facet)

    def record_local(self, rank: int, operation: Operation) -> None:
        """The rank has done an operation that is no scheduling point."""
        if self.record_effects and self._running is not None:
            self._running.effects.local.append((rank, operation))

    def record_output(self, rank: int, text: str) -> None:
        """The rank has written that to a standard stream."""
        self.output.setdefault(rank, Output()).add(text)

    def abort(self, error: CannotDo) -> None:
        """End the run with this error; the first one counts."""
        if self._fatal is None:
            self._fatal = error

    # -- inside -------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Let every runnable task go on; collectives and joins may make further ones runnable."""
        runnable = self._runnable
        while runnable:
            self._go_on(*runnable.popleft())
        if self.record_effects:
            self._record(None)

    def _go_on(self, task: Task, value: Any, error: BaseException | int | None) -> None:
        """Give a task the outcome of its operation, and run it to its next one."""
        process = task.process
        if process.dead:
            return
        process.running = task.clock
        self._running = task
        if self.record_effects:
            self._record(task)
        run = task.run
        try:
            operation = run((value, error))
        except ProcessDied as death:
            self._running = None
            self._lose(process, death)
            return
        if self._fatal is not None:
            raise self._fatal
        if operation is None:
            self._finish(task)
        elif type(operation) is Collective:
            self._arrive(task, operation)
        elif type(operation) is Join:
            self._join(task, operation)
        else:
            self._offer(task, operation)
        self._running = None
        if self.record_effects:
            self._record(None)

    def _record(self, task: Task | None) -> None:
        """What the file system is asked from now on is this task's doing."""
        self.filesystem.accesses = None if task is None else task.effects.accesses  # type: ignore[attr-defined]

    def _begin(self, task: Task, *after: tuple[int, int]) -> None:
        """A step of the task begins, and its effects are recorded."""
        task.effects = Effects(after=[*after], moment=self._clock.times[task.clock])
        if task.origin is not None and not task.count:
            task.effects.after.append(task.origin)
        if task.process.spawned:
            task.effects.accesses.append((memory(task.process.rank), Mode.WRITE))
        self._running = task
        self._record(task)

    def _finish(self, task: Task) -> None:
        task.finished = True
        self._forget(task.number)
        process = task.process
        rank = process.rank
        if task.number == rank:
            task.effects.finished.append(rank)
            self.endings[rank] = Ending(rank, task.value, task.error, site=task.raised_at)
            if task.error is not None:
                self.failed.append(rank)
        # A process ends when the last of its threads does, not before.
        if not process.spawned or all(each.finished for each in self._tasks_of(process)):
            task.effects.released.append(rank)
            self.filesystem.release(process.number)
            if self._locked:
                self._unpark(self._clock.times[task.clock])
        for joiner in task.joiners:
            joiner.effects = task.effects
            self._joined(joiner, task)

    def _lose(self, process: SimulatedProcess, death: ProcessDied) -> None:
        """The process has died by itself."""
        rank = process.rank
        alive = [task for task in self._tasks_of(process) if not task.finished]
        self._bury(process, alive, Ending(rank, error=death))
        self.failed.append(rank)

    def _bury(self, process: SimulatedProcess, alive: Sequence[Task], ending: Ending) -> None:
        process.dead = True
        for task in alive:
            self._forget(task.number)
        self._executor.end(process, alive)
        for task in alive:
            task.finished = True
        self.endings[process.rank] = ending
        self.filesystem.release(process.number)
        if self._locked:
            self._unpark(process.time)

    def _arrive(self, task: Task, operation: Collective) -> None:
        number = task.number
        self._forget(number)
        process = task.process
        if self.strike is not None:
            self.strike(number, task.count, operation)
            if process.dead:
                return
        self._waiting[number] = operation
        times, charging = self._clock.times, self.charging
        arrival = (number, task.count)
        released, mismatch = self._meetings.arrive(process.rank, arrival, times[task.clock], operation)
        if mismatch is not None:
            self.mismatch = mismatch
            return
        for release in released:
            member = self._tasks[release.task]
            waited = self._waiting.pop(release.task)
            latency = 0
            if charging is not None:
                latency = charging.wait(member, waited, release.time, release.size)
            elif times[member.clock] < release.time:
                times[member.clock] = release.time
            if member.process.spawned or member.process.rank in self._lockers:
                # It shares its memory with other tasks, or may let a lock go by ending: when it goes on is a choice.
                self._released[release.task] = release
                self._offer(member, waited)
            else:
                times[member.clock] += latency
                self._resume(member, waited, release)

    def _tasks_of(self, process: SimulatedProcess) -> list[Task]:
        last = process.rank + self.world_size * process.spawned
        return [self._tasks[number] for number in range(process.rank, last + 1, self.world_size)]

    def _join(self, task: Task, operation: Join) -> None:
        awaited = self._tasks[operation.task]
        self._forget(task.number)
        if awaited.finished:
            self._joined(task, awaited)
        else:
            self._waiting[task.number] = operation
            awaited.joiners.append(task)

    def _leave(self, task: Task) -> None:
        """The task is granted to go on from a collective that it was released from."""
        if self.charging is not None:
            self.charging.finish(task)
        operation = self.pending[task.number]
        self._forget(task.number)
        self._resume(task, operation, self._released.pop(task.number))
        self._settle()

    def _resume(self, task: Task, operation: Operation, release: Release) -> None:
        """Let a task go on from a collective."""
        if self.record_effects:
            self._begin(task, *release.after)
        self._note(task, operation, None, None, task.effects)
        self._runnable.append((task, release.value, release.error))

    def _joined(self, task: Task, awaited: Task) -> None:
        """Let a task go on from a join. What its code does now belongs to the step that made it go on."""
        self._waiting.pop(task.number, None)
        self._clock.wait_until(task.clock, self._clock.times[awaited.clock])
        self._note(task, Join(awaited.number), None, None, Effects(after=[(awaited.number, awaited.count)]))
        self._runnable.append((task, awaited.value, awaited.error))

    def _note(self, task: Task, operation: Operation, value: Any, error: OSError | None, effects: Effects) -> None:
        """The operation has been carried out: the task's next step."""
        self.steps.append(
            Step(
                task.number, task.rank, task.count, operation, value, error, task.site,
                effects if self.record_effects else None,
            )
        )  # fmt: skip
        task.count += 1

    def _park(self, task: Task, operation: Operation) -> None:
        self._forget(task.number)
        self._waiting[task.number] = operation
        self._locked.append(task.number)

    def _unpark(self, moment: int) -> None:
        """At that time a lock was given back: whoever waits for one may try again, no earlier."""
        for number in self._locked:
            operation = self._waiting.pop(number, None)
            if operation is not None:
                task = self._tasks[number]
                self._clock.wait_until(task.clock, moment)
                self._offer(task, operation)
        self._locked.clear()

    def _offer(self, task: Task, operation: Operation) -> None:
        """The task can be granted this operation from now on."""
        number, pending = task.number, self.pending
        if number not in pending:
            insort(self.ready, number)
        pending[number] = operation
        if self.charging is not None:
            self.charging.begin(task, operation)

    def _forget(self, number: int) -> None:
        self._waiting.pop(number, None)
        if self.pending.pop(number, None) is not None:
            del self.ready[bisect_left(self.ready, number)]
            if self.charging is not None:
                self.charging.cancel(number)
