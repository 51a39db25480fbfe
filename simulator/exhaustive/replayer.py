"""Puts a file system into the state after some steps of a run, without running ranks.

In another order of what commutes, the first file has another time, and so must the second. Only the operation that sets
it is recorded, with the time as a number; where it comes from is told by the stats of the run, since no two changes of
a run have the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from simulator.clock import EPOCH
from simulator.engines.interface import Step
from simulator.filesystems import Attributes
from simulator.filesystems.durability import Change, durable_of
from simulator.filesystems.views.layers import Choose
from simulator.happens_before import HappensBefore, Touched, acts_on_files, touched
from simulator.operations import Access, Fsync, Lock, Mode, Operation, Stat, Utime, lock, looked_at

Known = tuple[Attributes, Attributes]
"""What a stat gave when it was recorded, and what it gives now."""


def sets_own_times(steps: Sequence[Step]) -> bool:
    """Whether one of the steps of a run gives a file a time that no stat before it has given: a clock's, say."""
    for position, step in enumerate(steps):
        operation = step.operation
        if type(operation) is Utime and operation.times is not None:
            stats = (other.value for other in steps[:position] if isinstance(other.value, Attributes))
            seen = {time for value in stats for time in _times(value)}
            if any(time >= EPOCH and time not in seen for time in operation.times):
                return True
    return False


def translated(operation: Operation, known: Iterable[Known]) -> Operation:
    """The same operation with times as they are now."""
    if not isinstance(operation, Utime) or operation.times is None:
        return operation
    now = {time: new for before, after in known for time, new in zip(_times(before), _times(after), strict=True)}
    accessed, modified = operation.times
    return msgspec.structs.replace(operation, times=(now.get(accessed, accessed), now.get(modified, modified)))


def alike(operation: Operation, other: Operation) -> bool:
    """Whether two operations are the same but for the times that they set."""
    if isinstance(operation, Utime) and isinstance(other, Utime) and operation.times and other.times:
        other = msgspec.structs.replace(other, times=operation.times)
    return operation == other


def _times(attributes: Attributes) -> tuple[int, int, int]:
    return attributes.accessed, attributes.modified, attributes.changed


TICK = 1_000
"""Nanoseconds between two changes, so that each gets a time of its own."""

_FACETS = {":mtime": "mtime", ":ctime": "ctime", ":links": "links"}
_LOCK = lock(0)[1]


_N_BITS = 32


def step_of(label: int) -> tuple[int, int]:
    """(task, n) of the step that micro-operations were labelled with."""
    return label >> _N_BITS, label & (1 << _N_BITS) - 1


class Rewindable(Protocol):
    """A file system that can be put back to where it was."""

    accesses: list[Access] | None

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any: ...
    def would_wait(self, rank: int, operation: Lock) -> bool: ...
    def release(self, rank: int) -> None: ...
    def release_all(self) -> None: ...
    def lose_scratch(self, node: int) -> None: ...
    def mark(self) -> int: ...
    def rollback(self, mark: int) -> None: ...
    def digest(self) -> int: ...
    def mtime_order(self) -> Any: ...


class Replayer:
    """A file system of its own, on which recorded steps are carried out and undone.

    ``start`` makes it, as it was when the job started, at the time ``began``. ``past`` are, for each step of the
    attempts that are over and since which the power has not failed, those before it in every order of its class.
    ``positions`` are the steps that ``go_to`` was called with last.
    """

    def __init__(self, start: Callable[[], Rewindable], began: int) -> None:
        self.filesystem = start()
        self._durable = durable_of(self.filesystem)
        self.past: list[int] = []
        self.now = began
        self.positions: Sequence[int] = ()
        self._acting = (0, 0, began)
        self._done: list[tuple[int, int, int, Known | None]] = []
        self._stats: list[Known] = []

    def answer_by(self, choose: Choose) -> None:
        """Where the file system has a choice, it is made so; see ``Choose``."""
        if hasattr(self.filesystem, "begin"):
            self.filesystem.begin(choose, lambda rank, operation: self._acting)

    def apply(self, step: Step, known: Callable[[], Iterable[Known]] = tuple, label: int | None = None) -> Any:
        """Carry out one more step as its rank did, with what its code did without being scheduled; gives its result.

        ``known`` are the stats before it, by which times are found that it sets as another file has them. Its
        micro-operations are labelled with ``label``, or so that ``step_of`` tells the step.
        """
        effects = step.effects
        assert effects is not None
        self._now_does(step)
        filesystem, result = self.filesystem, None
        if self._durable is not None:
            self._durable.step = step.task << _N_BITS | step.n if label is None else label
            if effects.injected and isinstance(step.operation, Fsync):
                self._durable.sync_failed(step.rank, step.operation, self.now)
        if acts_on_files(step):
            operation = translated(step.operation, known()) if type(step.operation) is Utime else step.operation
            result = self._perform(step.rank, operation)
        for rank, operation in effects.local:
            self._perform(rank, operation)
        for rank in effects.released:
            filesystem.release(rank)
        return result

    def apply_attempt(self, steps: Sequence[Step], before: Sequence[int]) -> None:
        """Carry out the steps of an attempt that is over; all its processes end. It cannot be undone.

        ``before`` are, for each step, those before it in every order of its class.
        """
        earlier = len(self.past)
        for step, first in zip(steps, before, strict=True):
            more = _known_from(step, self.apply(step, lambda: self._stats, label=-1 - len(self.past)))
            self.past.append((1 << earlier) - 1 | first << earlier)
            if more is not None:
                self._stats.append(more)
        self.filesystem.release_all()

    def lose_power(self, lost: Iterable[Change]) -> None:
        """The power fails, and these micro-operations are lost."""
        assert self._durable is not None
        filesystem: Any = self.filesystem
        filesystem.lose_power(self._durable.pending(lost))
        self.past = []

    def go_to(self, order: HappensBefore, positions: Sequence[int], same: int = 0) -> Rewindable:
        """The state after these scheduled steps: for each of them, all that are before it must be among them.

        The first ``same`` of them are known to be those of the last call.
        """
        done, filesystem = self._done, self.filesystem
        self.positions = positions
        for identity, mark, now, _ in done[same:]:
            if same == len(positions) or order.identity(positions[same]) != identity:
                filesystem.rollback(mark)
                self.now = now
                del done[same:]
                break
            same += 1
        for position in positions[same:]:
            step, mark, now = order.steps[position], filesystem.mark(), self.now
            result = self.apply(step, self._known)
            done.append((order.identity(position), mark, now, _known_from(step, result)))
        return filesystem

    def would_touch(self, order: HappensBefore, positions: Sequence[int], step: Step, was: Touched) -> Touched:
        """What a step would touch if it came after these steps: it may find something else there than it did.

        Of what its code does after it, what can be known is assumed: that it looks at the same facets of what it gets,
        does the same local operations, and lets go of the same locks.
        """
        effects = step.effects
        assert effects is not None
        if not acts_on_files(step):
            return was
        filesystem = self.go_to(order, positions)
        now = self.now
        self._now_does(step)
        accesses: list[Access] = []
        mark = filesystem.mark()
        filesystem.accesses = accesses
        result = self._perform(step.rank, step.operation)
        for rank, operation in effects.local:
            self._perform(rank, operation)
        filesystem.accesses = None
        filesystem.rollback(mark)
        self.now = now
        if isinstance(step.operation, Stat) and result is not None:
            facets = {_FACETS[t[1]] for t, mode in was.things.items() if mode is Mode.READ and t[1] in _FACETS}
            accesses += [access for facet in facets for access in looked_at(result.inode, facet)]
        accesses += [(thing, mode) for thing, mode in was.things.items() if thing[0] < 0 or thing[1] == _LOCK]
        return touched(accesses, order.looks.times)

    def _known(self) -> Iterator[Known]:
        return (known for *_, known in self._done if known is not None)

    def _now_does(self, step: Step) -> None:
        """The time goes on to that of a step: no earlier than its task's clock showed when the step was done."""
        assert step.effects is not None
        moment = step.effects.moment + TICK
        self._acting = (step.task, step.n, moment)
        if acts_on_files(step):
            self.now = max(self.now + TICK, moment)

    def _perform(self, rank: int, operation: Operation) -> Any:
        try:
            return self.filesystem.perform(rank, operation, self.now)
        except OSError:
            return None


def _known_from(step: Step, result: Any) -> Known | None:
    """What a stat, carried out again, tells about times."""
    return (step.value, result) if type(result) is Attributes and type(step.value) is Attributes else None
