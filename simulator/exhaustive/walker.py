"""Makes the runs of the search: follows a schedule, then goes on freely, and keeps the order of what happens."""

from __future__ import annotations

import fcntl
import gc
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from simulator.engines.interface import Engine, default_task
from simulator.engines.watchdog import watchdog
from simulator.errors import CannotDo
from simulator.exhaustive.execution import Execution, Held, Prefix
from simulator.exhaustive.polling import InVain, Patience, poll_of
from simulator.exhaustive.replayer import alike, sets_own_times
from simulator.exhaustive.tree import Sleepers, awake_after
from simulator.happens_before import NO_LOOKS, HappensBefore, Looks, Touched, times_of, touched
from simulator.operations import Access, Lock, Mode, Operation, Sleep, looked_at
from simulator.operations.footprint import all_changes
from simulator.scenario import Budgets


class Place(Protocol):
    """The file system of a run, as far as the search asks it something."""

    accesses: list[Access] | None

    def would_wait(self, rank: int, operation: Lock) -> bool:
        """Whether the lock is held in a way that would make ``operation`` wait now."""
        ...

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any: ...


class Unsupported(CannotDo):
    """The code under test does something that the search does not order rightly."""


_NOTHING = Touched({})
_POLLS = (
    "somebody looks at more than the order of times (how old a file is, say), and a rank sleeps and looks again: how "
    "often it did so moves the times, and the search does not follow that"
)

Begin = Callable[[], tuple[Engine, Any]]
"""Makes what a run needs: an engine that has not started, and the file system that it acts on."""


class Walker:
    """Makes one run after the other. What a run shares with the one before it is not recorded again."""

    def __init__(
        self, begin: Begin, patience: Patience, looks: Looks = NO_LOOKS, budgets: Budgets | None = None,
        note_able: bool = False,
    ) -> None:  # fmt: skip
        self._begin = begin
        self._patience = patience
        self._budgets = budgets or Budgets()
        self._note_able = note_able
        self.order = HappensBefore((), looks)
        self._scheduled: list[int] = []
        self._initial: Any = None
        self._in_vain: dict[int, int] = {}

    def make(self, prefix: Prefix) -> Execution:
        """Make one run. Raises CannotDo when the code under test is not deterministic, or not supported, or stuck."""
        enabled = gc.isenabled()
        gc.disable()
        engine, filesystem = self._begin()
        try:
            with watchdog(self._budgets.wall_seconds):
                return _Run(self, engine, filesystem, prefix).execution()
        finally:
            engine.close()
            if enabled:
                gc.enable()


class _Run:
    def __init__(self, walker: Walker, engine: Engine, filesystem: Place, prefix: Prefix) -> None:
        self._engine = engine
        self._filesystem = filesystem
        self._prefix = prefix
        self._walker = walker
        self._order = walker.order
        self._world_size = engine.world_size
        self._interleaved = False
        self._redundant = False
        self._polled = False
        self._able_before: list[tuple[tuple[int, ...], bool]] = []
        known = min(_common([self._order.steps[p].task for p in walker._scheduled], prefix.tasks), prefix.first)
        if known < len(walker._scheduled):
            self._order.take_back(walker._scheduled[known])
        self._known = known
        self._scheduled = walker._scheduled = walker._scheduled[:known]
        self._in_vain = walker._in_vain = {p: steps for p, steps in walker._in_vain.items() if p < len(self._order)}

    def execution(self) -> Execution:
        engine, prefix = self._engine, self._prefix
        if not self._scheduled:
            engine.record_effects = True
            self._order.take_back(0)
        engine.start()
        if not self._scheduled:
            self._walker._initial = engine.initial
            self._add(0, None)
        for number, position in enumerate(self._scheduled):
            self._check(number)
            for _ in range(1 + self._in_vain.get(position, 0)):
                engine.grant(prefix.tasks[number])
        engine.record_effects = True
        asleep = prefix.sleepers
        sleepers: list[Sleepers] = []
        for number in range(len(self._scheduled), len(prefix.tasks)):
            self._check(number)
            if number >= prefix.first:
                self._note_able()
            what = self._grant(prefix.tasks[number])
            if number >= prefix.first:
                siblings = prefix.siblings[number - prefix.first]
                asleep = awake_after({**asleep, **siblings} if siblings else asleep, what)
                sleepers.append(asleep)
        incomplete = self._go_on(asleep, sleepers)
        broken_off = incomplete is not None
        if self._polled and all_changes() in self._order.looks.times:
            incomplete = _POLLS
        return self._result(sleepers, incomplete, broken_off)

    def _go_on(self, asleep: Sleepers, sleepers: list[Sleepers]) -> str | None:
        engine, limit = self._engine, self._walker._budgets.operations
        last = self._prefix.tasks[-1] if self._prefix.tasks else -1
        while engine.ready:
            if len(engine.steps) >= limit:
                return f"operations: {limit} were carried out and the ranks had not ended"
            if len(engine.ready) > 1:
                self._interleaved = True
            able = self._able(last, asleep) or self._giving_up()
            if not able:
                polling = [task % self._world_size for task in engine.ready if type(engine.pending[task]) is Sleep]
                if not polling:
                    return None
                return f"polling: nobody else can go on, and ranks {sorted(polling)} sleep and look again without end"
            awake = [task for task in able if task not in asleep] if asleep else able
            if not awake:
                self._redundant = True
                awake = able
            last = default_task(awake, last)
            if asleep:
                asleep = {task: its for task, its in asleep.items() if task != last}
            self._note_able()
            asleep = awake_after(asleep, self._grant(last))
            sleepers.append(asleep)
        return None

    def _note_able(self) -> None:
        if self._walker._note_able:
            pending = self._engine.pending
            waiting = [task for task in self._engine.ready if not self._can_go_on(task, pending[task])]
            giving_up = self._giving_up()
            able = tuple(task for task in self._engine.ready if task not in waiting or task in giving_up)
            gave_way = False
            if self._scheduled:
                last = self._scheduled[-1]
                task = self._order.steps[last].task
                since = self._order.steps[last + 1 + self._in_vain.get(last, 0) :]
                gave_way = task in waiting or any(step.task == task for step in since)
            self._able_before.append((able, gave_way))

    def _able(self, last: int, asleep: Sleepers) -> Sequence[int]:
        """The tasks that can go on: not those that wait for a lock, or for a change of what they poll."""
        pending = self._engine.pending
        if not asleep and last in pending and type(pending[last]) not in (Lock, Sleep):
            return (last,)
        return [task for task in self._engine.ready if self._can_go_on(task, pending[task])]

    def _can_go_on(self, task: int, operation: Operation) -> bool:
        if type(operation) is Lock:
            return not self._waits(task, operation)
        if type(operation) is Sleep:
            poll = poll_of(self._order, task)
            return poll is None or poll.sees_change(self._order)
        return True

    def _giving_up(self) -> list[int]:
        """The tasks that look in vain, but would give up if they were let go on alone."""
        pending, found = self._engine.pending, []
        for task in self._engine.ready:
            if type(pending[task]) is Sleep:
                in_vain = self._looking_in_vain(task)
                if in_vain is not None and in_vain.gives_up:
                    found.append(task)
        return found

    def _looking_in_vain(self, task: int) -> InVain | None:
        """What a task does that is about to sleep, and to look again though nothing has changed; else None."""
        poll = poll_of(self._order, task)
        if poll is None or poll.sees_change(self._order):
            return None
        return self._walker._patience.of(self._order, poll, lambda: self._grants)

    def _waits(self, task: int, operation: Lock) -> bool:
        if operation.how & fcntl.LOCK_NB or not self._filesystem.would_wait(task % self._world_size, operation):
            return False
        for position in reversed(self._order.positions.get(task, ())):
            step = self._order.steps[position]
            if isinstance(step.operation, Lock) and step.operation.fd == operation.fd and step.error is None:
                if step.operation.how & ~fcntl.LOCK_NB != fcntl.LOCK_UN:
                    raise Unsupported(
                        f"rank {step.rank} waits for a lock while it holds another kind of lock on the same open file; "
                        "exhaustive search cannot order that"
                    )
                break
        return True

    def _grant(self, task: int) -> Touched:
        engine, first = self._engine, len(self._engine.steps)
        poll, in_vain = None, None
        if type(engine.pending[task]) is Sleep:
            poll = poll_of(self._order, task)
            in_vain = self._looking_in_vain(task)
        self._polled = self._polled or poll is not None
        further = in_vain.steps - 1 if in_vain is not None else 0
        engine.grant(task)
        for _ in range(further):
            engine.grant(task)
        self._scheduled.append(first)
        if in_vain is not None:
            self._in_vain[first] = further
        step = engine.steps[first]
        assert step.effects is not None
        known = None
        if poll is not None:
            known = poll.reads | touched(step.effects.accesses, self._order.looks.times, acts=False)
        if in_vain is not None and known is not None:
            known |= touched(in_vain.accesses, self._order.looks.times)
            step.effects.local += [(step.rank, operation) for operation in in_vain.rest]
        self._add(1 + further, known)
        return self._order.touched[first]

    def _add(self, granted: int, known: Touched | None) -> None:
        """Add the new steps to the order. So many of them were granted: the first, and those that belong to it."""
        order, steps = self._order, self._engine.steps
        first = len(order)
        for position in range(first, len(steps)):
            step = steps[position]
            if position < first + granted:
                order.add(step, known)
                known = _NOTHING
                continue
            order.add(step)
            if order.touched[position].things:
                raise Unsupported(
                    f"rank {step.rank} lets go of a lock, or looks for the end of a file, right after a collective; "
                    "exhaustive search cannot order that: let it do an operation in between"
                )

    @property
    def _grants(self) -> list[int]:
        """Whom the engine has let go on so far."""
        steps, in_vain = self._order.steps, self._in_vain
        return [steps[p].task for p in self._scheduled for _ in range(1 + in_vain.get(p, 0))]

    def _check(self, number: int) -> None:
        """Raise CannotDo when the schedule cannot be followed: the code under test is not deterministic then."""
        task, operation = self._prefix.tasks[number], self._prefix.operations[number]
        found = self._engine.pending.get(task)
        if found is None or (operation is not None and found != operation and not alike(found, operation)):
            raise CannotDo(
                f"the code under test is not deterministic: after the same {number} steps, rank "
                f"{task % self._world_size} does {found} now and did {operation} before"
            )

    def _result(self, sleepers: list[Sleepers], incomplete: str | None, broken_off: bool) -> Execution:
        engine, order = self._engine, self._order
        execution = Execution()
        execution.order = order
        execution.scheduled = self._scheduled
        execution.shared = self._known
        execution.sleepers = sleepers
        execution.able = self._able_before
        execution.redundant = self._redundant
        execution.in_vain = self._in_vain
        execution.held = [self._held(task) for task in engine.ready if isinstance(engine.pending[task], Lock)]
        looks = (access for _, inode, facet in engine.looks for access in looked_at(inode, facet))
        times = times_of(thing for thing, _ in looks)
        if (times or order.looks.times) and sets_own_times(order.steps):
            times |= {all_changes()}
        execution.looks = Looks(times, frozenset(engine.late_looks))
        execution.initial = self._walker._initial
        execution.endings = dict(engine.endings)
        execution.failed = list(engine.failed)
        execution.mismatch = engine.mismatch
        execution.waiting = engine.waiting()
        for task in engine.ready:
            execution.waiting.setdefault(task % self._world_size, "file lock")
        execution.interleaved = self._interleaved
        execution.incomplete = incomplete
        execution.broken_off = broken_off
        return execution

    def _held(self, task: int) -> Held:
        """What a task touches that waits for a lock: found by asking for it once more, which changes nothing."""
        operation = self._engine.pending[task]
        assert isinstance(operation, Lock)
        accesses: list[Access] = []
        self._filesystem.accesses = accesses
        try:
            self._filesystem.perform(task % self._world_size, operation)
        except OSError:
            pass
        finally:
            self._filesystem.accesses = None
        mode = Mode.UPDATE if operation.how & fcntl.LOCK_SH else Mode.WRITE
        wanted = Touched(dict.fromkeys(touched(accesses).things, mode))
        return Held(task, task % self._world_size, operation, wanted | touched((), self._order.looks.times))


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    count = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        count += 1
    return count
