"""The races of a run, and what must be run so that each is taken in the other order (JACM 2017, algorithm 2).

For a race of step e and a later step f, f is to come before e: after what preceded e, run all that does not happen
after e, then f. Footprints here depend on the state: without e, f may find another file under its path. So what f
touches is found out by carrying it out there, on a file system of the search's own. The paper asks that a dependence
does not vanish when an independent step is put in between (section 3.1, property 7), which file operations do not
grant; ``CONTRIBUTING.md`` has the argument why nothing is missed all the same, and a test compares with brute force.

Two kinds of steps wait, and cannot always be moved before what they conflict with: a lock that would still be held,
and a sleep of a polling rank that would see no change and does not give up. For them, earlier conflicting steps are
tried in turn.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import msgspec

from simulator.engines.interface import Effects, Step
from simulator.exhaustive.execution import Execution, Held, positions_in, set_of
from simulator.exhaustive.polling import InVain, Patience, poll_of
from simulator.exhaustive.replayer import Replayer
from simulator.exhaustive.tree import Continuation, Sleepers
from simulator.happens_before import Touched, touched
from simulator.operations import Lock, Operation, Sleep

Reversal = tuple[int, Continuation]
"""(how many steps were scheduled before the one that is to come later, what is to come instead)."""


class Reversals:
    """Those of one run; an iterator."""

    def __init__(self, execution: Execution, replayer: Replayer, patience: Patience) -> None:
        self._journey = execution
        self._patience = patience
        self._order = execution.order
        self._replayer = replayer
        self._scheduled = set_of(execution.scheduled)
        self._number = {position: number for number, position in enumerate(execution.scheduled)}
        self._apart: dict[int, int] = {}

    def __iter__(self) -> Iterator[Reversal]:
        order = self._order
        for held in self._journey.held:
            yield from self._of_held(held)
        # Late ones first: the file system of the replayer then goes back bit by bit.
        for later in reversed(self._journey.scheduled):
            if not order.conflicts[later]:
                continue
            step, operation = order.steps[later], order.steps[later].operation
            if isinstance(operation, Lock) and not operation.how & fcntl.LOCK_NB:
                yield from self._waiting(later, partial(self._is_free, step.rank, operation))
            elif isinstance(operation, Sleep):
                yield from self._waiting(later, partial(self._goes_on, step))
            else:
                for earlier in order.races_of(later):
                    yield self._reversal(earlier, step, order.touched[later])

    def _waiting(self, later: int, possible: Callable[[int], bool]) -> Iterator[Reversal]:
        order = self._order
        step = order.steps[later]
        rest = order.conflicts[later] & ~order.given[later]
        yield from self._possible(rest, step, order.touched[later], possible)

    def _of_held(self, held: Held) -> Iterator[Reversal]:
        """A lock that somebody waits for in the end might have been taken earlier."""
        order = self._order
        positions = order.positions.get(held.task, [])
        past = order.before[positions[-1]] | 1 << positions[-1] if positions else 0
        step = Step(held.task, held.rank, len(positions), held.operation, effects=Effects())
        rest = order.conflicts_of(held.what) & ~past
        yield from self._possible(rest, step, held.what, partial(self._is_free, held.rank, held.operation))

    def _possible(self, rest: int, step: Step, what: Touched, possible: Callable[[int], bool]) -> Iterator[Reversal]:
        while rest:
            earlier = rest.bit_length() - 1
            rest &= ~(1 << earlier)
            if possible(earlier):
                yield self._reversal(earlier, step, what)
                rest &= ~self._order.before[earlier]

    def _is_free(self, rank: int, operation: Lock, earlier: int) -> bool:
        """Whether the lock would be granted without this earlier step."""
        filesystem = self._replayer.go_to(self._order, self._without(earlier))
        return not filesystem.would_wait(rank, operation)

    def _goes_on(self, step: Step, earlier: int) -> bool:
        """Whether the sleeping rank would see a change without this earlier step, or else would give up."""
        found = self._in_vain(step, earlier)
        return found is None or found.gives_up

    def _in_vain(self, step: Step, earlier: int) -> InVain | None:
        """What the sleeping rank would do if it saw no change without this earlier step; None if it saw one."""
        poll = poll_of(self._order, step.task, step.n)
        among = (1 << earlier) - 1 | self._steps_apart_from(earlier)
        if poll is None or poll.sees_change(self._order, among):
            return None
        return self._patience.of(self._order, poll, lambda: self._journey.grants(self._without(earlier)))

    def _reversal(self, earlier: int, step: Step, what: Touched) -> Reversal:
        apart = self._steps_apart_from(earlier)
        find_out = partial(self._would_touch, earlier, step, what)
        return self._number[earlier], Continuation(self._order, apart, step.task, step.operation, find_out)

    def _would_touch(self, earlier: int, step: Step, was: Touched) -> Touched:
        """What a step would touch without this earlier step."""
        if not isinstance(step.operation, Sleep):
            return self._replayer.would_touch(self._order, self._without(earlier), step, was)
        found = self._in_vain(step, earlier)
        return was if found is None else was | touched(found.accesses, self._order.looks.times)

    def _without(self, earlier: int) -> list[int]:
        """What can be run without this step: all before it, and what does not happen after it."""
        preceding = self._journey.scheduled[: self._number[earlier]]
        return [*preceding, *positions_in(self._steps_apart_from(earlier))]

    def _steps_apart_from(self, earlier: int) -> int:
        """The scheduled steps that come later and do not happen after this one: notdep(e, E) of the paper."""
        found = self._apart.get(earlier)
        if found is None:
            before, found = self._order.before, 0
            for position in positions_in(self._scheduled >> earlier + 1 << earlier + 1):
                if not before[position] >> earlier & 1:
                    found |= 1 << position
            self._apart[earlier] = found
        return found


class Taken(msgspec.Struct, frozen=True, gc=False):
    """A scheduled step that was taken: by which task, doing what, touching what; and who sleeps after it."""

    task: int
    operation: Operation | None
    what: Touched
    sleepers: Sleepers


class Brought(msgspec.Struct):
    """``taken`` are the steps of the schedule from the ``first``-th on.

    ``reversals`` are what races lead to, for a search without a bound. For one with a bound, ``able`` are the tasks
    that could go on before each of the steps taken, and whether that of the step before gave way, or met others; and
    ``earlier`` are (task, numbers): the task is to go before each of these steps of the schedule.
    """

    first: int
    taken: list[Taken]
    reversals: Iterable[Reversal] = ()
    able: list[tuple[tuple[int, ...], bool]] = []
    earlier: list[tuple[int, list[int]]] = []


def brought_of(execution: Execution, replayer: Replayer, patience: Patience, *, bounded: bool) -> Brought:
    """What a run brings. The reversals are looked for as they are asked for, while the run is the latest."""
    first = len(execution.scheduled) - len(execution.sleepers)
    taken = _taken(execution, first)
    if bounded:
        return Brought(first, taken, able=execution.able, earlier=_earlier(execution, first))
    return Brought(first, taken, Reversals(execution, replayer, patience))


def _taken(execution: Execution, first: int) -> list[Taken]:
    order = execution.order
    return [
        Taken(order.steps[position].task, order.steps[position].operation, order.touched[position], sleepers)
        for position, sleepers in zip(execution.scheduled[first:], execution.sleepers, strict=True)
    ]


def _earlier(execution: Execution, first: int) -> list[tuple[int, list[int]]]:
    order = execution.order
    numbers = {position: number for number, position in enumerate(execution.scheduled)}
    found = []
    for position in execution.scheduled[first:]:
        found.append((order.steps[position].task, order.conflicts[position] & ~order.given[position]))
    for held in execution.held:
        positions = order.positions.get(held.task, [])
        past = order.before[positions[-1]] | 1 << positions[-1] if positions else 0
        found.append((held.task, order.conflicts_of(held.what) & ~past))
    return [(task, [numbers[position] for position in positions_in(steps)]) for task, steps in found if steps]
