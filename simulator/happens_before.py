"""The happens-before order of one attempt: which of its steps could not have come in another order.

A step happens before another when the same task did both in this order, when the second waited for the first (a
collective, a background task, the start of one), or when they conflict by their footprints and came in this order; and
by going on from one to the next (Lamport, 1978, for messages; Mazurkiewicz, 1977, for independent actions). Two runs
with the same steps and the same order are one *class* of interleavings: they differ by exchanges of neighbouring steps
that commute, so nobody can tell them apart.

Where others keep a vector clock for each step (Mattern, 1989; Fidge, 1988), this keeps the set of the steps before it,
as the bits of one integer. Both hold the same; unions of sets are faster here, and ``clock`` gives the vector.

Modification times need more than footprints: of two inodes whose times somebody compares, it matters which one was
changed last, though no operation touches both. An inode is *tracked* when anybody looks at its time, and changes of
two different tracked inodes conflict. Where somebody looks at more than their order (how old is this file?), all
operations on files conflict, as each may move the time of the next. Who looks at what is known only after a run: hence
``Looks``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from simulator.engines.interface import Step
from simulator.filesystems import Attributes
from simulator.operations import (
    Access,
    Collective,
    Join,
    Mode,
    Sleep,
    Thing,
    change_time,
    looked_at,
    memory,
    merged,
    modification_time,
)
from simulator.operations.footprint import all_changes

_TIMES = frozenset({modification_time(0)[1], change_time(0)[1], all_changes()[1]})
_ALL_CHANGES = all_changes()
_MEMORY = memory(0)[1]
_NOT_OF_FILES = frozenset({Sleep, Collective, Join})
_NOTHING: frozenset[int] = frozenset()


class Looks(msgspec.Struct, frozen=True):
    """Looks at times that are known from runs.

    ``times`` were looked at by anybody. ``late`` are (task, n, facet): the task looked at the facet of what its n-th
    step, a stat, gave, but only after further steps. What a step touches must not depend on what comes after it, so
    such a step counts as a look in every run.
    """

    times: frozenset[Thing] = frozenset()
    late: frozenset[tuple[int, int, str]] = frozenset()

    def __or__(self, other: Looks) -> Looks:
        return Looks(self.times | other.times, self.late | other.late)


NO_LOOKS = Looks()


class Touched(msgspec.Struct, frozen=True, gc=False):
    """What a step touched: one mode a thing, and the tracked inodes whose times it changed.

    What belongs to one rank alone (its descriptors) is left out, since the order of a rank's steps is fixed anyway.
    """

    things: dict[Thing, Mode]
    stamped: frozenset[int] = _NOTHING

    def __or__(self, other: Touched) -> Touched:
        return Touched(merged((*self.things.items(), *other.things.items())), self.stamped | other.stamped)


def touched(accesses: Iterable[Access], times: frozenset[Thing] = frozenset(), *, acts: bool = True) -> Touched:
    """What a step with these accesses touched, when the ``times`` are looked at by anybody.

    ``acts``: it is an operation on a file system, and not a sleep or the like. Each moves the time of the next one.
    """
    things = merged(tuple(access for access in accesses if access[0][0] >= 0 or access[0][1] == _MEMORY))
    # To look at more than an order is to track all changes; the look itself waits for none but those of what it sees.
    things.pop(_ALL_CHANGES, None)
    if not times:
        return Touched(things)
    if _ALL_CHANGES in times:
        if acts:
            things[_ALL_CHANGES] = Mode.WRITE
        return Touched(things)
    stamped = [time[0] for time in times if things.get(time, Mode.READ) is not Mode.READ]
    return Touched(things, frozenset(stamped) if stamped else _NOTHING)


def acts_on_files(step: Step) -> bool:
    """Whether a step was an operation on a file system, which was carried out."""
    assert step.effects is not None
    return not step.effects.injected and type(step.operation) not in _NOT_OF_FILES


def times_of(things: Iterable[Thing]) -> frozenset[Thing]:
    """Those things that are times."""
    return frozenset(thing for thing in things if thing[1] in _TIMES)


def times_in(accesses: Iterable[Access]) -> Iterator[Thing]:
    """The times that were looked at."""
    return (thing for thing, mode in accesses if mode is Mode.READ and thing[1] in _TIMES)


def conflicting(first: Touched, second: Touched) -> Thing | None:
    """A thing by which the order of two steps matters, or None."""
    if first.stamped != second.stamped and first.stamped and second.stamped:
        return modification_time(min(second.stamped))
    fewer, more = first.things, second.things
    if len(more) < len(fewer):
        fewer, more = more, fewer
    for thing, mode in fewer.items():
        other = more.get(thing)
        if other is not None and (mode is not other or mode is Mode.WRITE):
            return thing
    return None


class Uses:
    """Which of numbered steps touched what, each set of steps as the bits of an integer."""

    def __init__(self) -> None:
        self._things: dict[Thing, _Modes] = {}
        self._stamps: dict[frozenset[int], int] = {}

    def add(self, bit: int, what: Touched) -> None:
        """The step of this bit touched this."""
        uses = self._things
        for thing, mode in what.things.items():
            reads, updates, writes = uses.get(thing, _UNUSED)
            if mode is Mode.READ:
                uses[thing] = (reads | bit, updates, writes)
            elif mode is Mode.WRITE:
                uses[thing] = (reads, updates, writes | bit)
            else:
                uses[thing] = (reads, updates | bit, writes)
        if what.stamped:
            self._stamps[what.stamped] = self._stamps.get(what.stamped, 0) | bit

    def keep(self, steps: int, what: Touched) -> None:
        """Of those that touched something of this, only these count further on."""
        for thing in what.things:
            reads, updates, writes = self._things[thing]
            self._things[thing] = (reads & steps, updates & steps, writes & steps)
        if what.stamped:
            self._stamps[what.stamped] &= steps

    def conflicts_of(self, what: Touched) -> int:
        """The steps whose order with one that touches ``what`` matters."""
        found = 0
        uses = self._things
        for thing, mode in what.things.items():
            known = uses.get(thing)
            if known is not None:
                reads, updates, writes = known
                found |= writes
                if mode is not Mode.UPDATE:
                    found |= updates
                if mode is not Mode.READ:
                    found |= reads
        if what.stamped:
            for stamped, changes in self._stamps.items():
                if stamped != what.stamped:
                    found |= changes
        return found


class HappensBefore:
    """The order of the steps of one attempt, in the order in which they were taken. Needs their recorded effects.

    ``before[i]`` has bit j set when step j happens before step i; ``given[i]`` are those of them that are before it
    whatever the schedule, because of the task's own order and of what it waited for; ``conflicts[i]`` are the earlier
    steps that conflict with it directly. ``touched[i]`` is what it touched. Steps can be added and taken back.
    """

    def __init__(self, steps: Iterable[Step] = (), looks: Looks = NO_LOOKS) -> None:
        self.looks = looks
        self.steps: list[Step] = []
        self.touched: list[Touched] = []
        self.before: list[int] = []
        self.given: list[int] = []
        self.conflicts: list[int] = []
        self.positions: dict[int, list[int]] = {}
        self._of_task: dict[int, int] = {}
        self._identities: list[int] = []
        self._uses = Uses()
        for step in steps:
            self.add(step)

    def __len__(self) -> int:
        return len(self.steps)

    def add(self, step: Step, known: Touched | None = None) -> None:
        """The next step, which touched ``known`` if that was found out before."""
        assert step.effects is not None, "happens-before needs an engine that records effects"
        what = known if known is not None else self._touched(step)
        index = len(self.steps)
        positions = self.positions.setdefault(step.task, [])
        given = self._closed(positions[-1]) if positions else 0
        for task, n in step.effects.after:
            if n:
                given |= self._closed(self.positions[task][n - 1])
        conflicts = self.conflicts_of(what)
        before, rest = given, conflicts & ~given
        while rest:
            latest = rest.bit_length() - 1
            before |= self._closed(latest)
            rest &= ~before
        bit = 1 << index
        self._of_task[step.task] = self._of_task.get(step.task, 0) | bit
        self._uses.add(bit, what)
        self.steps.append(step)
        self.touched.append(what)
        self.given.append(given)
        self.conflicts.append(conflicts)
        self.before.append(before)
        positions.append(index)

    def take_back(self, length: int) -> None:
        """Forget all steps but the first ``length``."""
        keep = (1 << length) - 1
        while len(self.steps) > length:
            self._uses.keep(keep, self.touched.pop())
            task = self.steps.pop().task
            self.positions[task].pop()
            self._of_task[task] &= keep
            self.given.pop()
            self.conflicts.pop()
            self.before.pop()
        del self._identities[length:]

    def of_task(self, task: int) -> int:
        """The steps of a task."""
        return self._of_task.get(task, 0)

    def conflicts_of(self, what: Touched) -> int:
        """The steps so far whose order with one that touches ``what`` matters."""
        return self._uses.conflicts_of(what)

    def races_of(self, index: int) -> Iterator[int]:
        """The steps that step ``index`` conflicts with and that nothing else puts before it, the latest first.

        If such a pair is taken in the other order, another class of interleavings begins (JACM 2017, section 3.3:
        reversible races, but for waiting, which the caller knows about).
        """
        rest = self.conflicts[index] & ~self.given[index]
        while rest:
            latest = rest.bit_length() - 1
            yield latest
            rest &= ~self._closed(latest)

    def races(self) -> Iterator[tuple[int, int]]:
        """All races, as pairs of positions."""
        for index in range(len(self.steps)):
            for earlier in self.races_of(index):
                yield earlier, index

    def clock(self, index: int) -> dict[int, int]:
        """The vector clock of a step: how many steps of each task are before it or are it."""
        past = self._closed(index)
        return {task: (past & mask).bit_count() for task, mask in sorted(self._of_task.items()) if past & mask}

    def identity(self, index: int) -> int:
        """A 64-bit hash that names the step and all that is before it: equal in all runs in which that is equal.

        It is a hash of the task, and of the identities of the latest step of each task among those before.
        """
        identities = self._identities
        while len(identities) <= index:
            identities.append(self._hashed(len(identities)))
        return identities[index]

    def key(self) -> int:
        """A hash that names the class of interleavings: equal for runs that differ in commuting steps only."""
        return hash(tuple(self.identity(positions[-1]) for _, positions in sorted(self.positions.items()) if positions))

    def _touched(self, step: Step) -> Touched:
        assert step.effects is not None
        accesses = step.effects.accesses
        if self.looks.late and isinstance(step.value, Attributes):
            late = (facet for task, n, facet in self.looks.late if (task, n) == (step.task, step.n))
            accesses = [*accesses, *(access for facet in late for access in looked_at(step.value.inode, facet))]
        times = self.looks.times
        return touched(accesses, times, acts=_ALL_CHANGES in times and acts_on_files(step))

    def _closed(self, index: int) -> int:
        return self.before[index] | 1 << index

    def _hashed(self, index: int) -> int:
        before = self.before[index]
        step = self.steps[index]
        parts = [step.task, step.n]
        for task in sorted(self._of_task):
            latest = (before & self._of_task[task]).bit_length() - 1
            if latest >= 0:
                parts.append(self._identities[latest])
        return hash(tuple(parts))


_Modes = tuple[int, int, int]
_UNUSED: _Modes = (0, 0, 0)


def conflicting_pairs(steps: Sequence[Step]) -> list[tuple[int, int]]:
    """The races of one attempt as pairs of positions in ``steps``, which were recorded with their effects.

    Times count as compared where anybody looked at them. Of the pairs that a schedule can order, these are the ones
    whose order is not decided by others: to flip one is the smallest change that leads to another class.
    """
    times = frozenset(thing for step in steps if step.effects is not None for thing in times_in(step.effects.accesses))
    return list(HappensBefore(steps, Looks(times)).races())


def is_scheduled(step: Step) -> bool:
    """Whether a scheduler decided when the step came: not so for collectives and joins, which end by themselves."""
    return not isinstance(step.operation, Collective | Join)
