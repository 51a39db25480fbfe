"""Every state that some interleaving of a class passes through, not only those of the run that stands for the class.

What a run leaves when it is stopped somewhere is a *consistent cut*: a set of steps that holds, with each step, all
that happen before it (Mattern, 1989). A shard written by rank 0 and a marker created by rank 1 are one class, yet there
is a cut with the marker and without the shard. The cuts of a class are visited by carrying its recorded steps out and
undoing them on a file system of the search's own; no rank runs. A cut is known by the identities of its steps, and one
that another class has had is not visited again.

Most steps only look. Cuts that differ by looks leave the same, so of those with the same *telling* steps (that change a
file system, or after which a save has returned or a program has ended) the smallest stands for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from simulator.engines.interface import Effects
from simulator.exhaustive.execution import Execution, positions_in, set_of
from simulator.exhaustive.replayer import Replayer, Rewindable
from simulator.filesystems.views.layers import is_of_client
from simulator.happens_before import HappensBefore, Touched
from simulator.operations import Mode, Thing, lock
from simulator.tape import Address

_MASK = (1 << 64) - 1
_LOCK = lock(0)[1]

Visitor = Callable[[int, Rewindable], int]
"""Called with a cut (a set of scheduled positions) and the file system there; gives the step that a restart would
resume from, 0 for none."""

Drop = tuple[int, int, int, int]
"""(a cut, the cut one telling step before, what a restart resumes from at either), less at the first of the two."""


class Cuts:
    """The cuts of all classes. ``known`` maps the key of each to what the visitor gave there.

    ``telling`` gives the steps of a run that cuts differ by (None: ``telling_steps``).
    """

    def __init__(self, replayer: Replayer, telling: Callable[[Execution], int] | None = None) -> None:
        self.replayer = replayer
        self.telling = telling or telling_steps
        self.known: dict[int, int] = {}
        self.highest = 0

    def key_of(self, execution: Execution, cut: int) -> int:
        """What a cut of a run is known by."""
        return sum(map(execution.order.identity, positions_in(cut & self.telling(execution)))) & _MASK

    def visit(self, execution: Execution, visitor: Visitor) -> Iterator[Drop]:
        """Visit the new cuts of a run, given that those of the run before it were visited.

        Then give the places where a restart would find less than one step before. Whatever loses something in several
        steps loses it in one of them, since the cuts between are cuts too.
        """
        lattice = _Lattice(self, execution, visitor)
        allowed = lattice.telling
        if not execution.shared:
            lattice.visit_between(0, allowed)
        else:
            # A new cut has one of the new steps in it. They are parted by the first one that they have.
            for position in execution.scheduled[execution.shared :]:
                if lattice.telling >> position & 1:
                    base = execution.order.before[position] | 1 << position
                    if not base & lattice.telling & ~allowed:
                        lattice.visit_between(base & lattice.scheduled, allowed)
                    allowed &= ~lattice.from_on(position)
        yield from lattice.drops()


class _Lattice:
    """The cuts of one run: those that are the least with their telling steps."""

    def __init__(self, cuts: Cuts, execution: Execution, visitor: Visitor) -> None:
        self._cuts = cuts
        self._order: HappensBefore = execution.order
        self._visitor = visitor
        self.scheduled = set_of(execution.scheduled)
        self.telling = cuts.telling(execution)
        tasks = sorted({execution.order.steps[position].task for position in execution.scheduled})
        self._tasks = [execution.order.of_task(task) & self.telling for task in tasks]
        self._new: list[tuple[int, int]] = []

    def from_on(self, position: int) -> int:
        """The step, and all that happen after it."""
        before, found = self._order.before, 1 << position
        for later in positions_in(self.telling >> position + 1 << position + 1):
            if before[later] >> position & 1:
                found |= 1 << later
        return found

    def visit_between(self, base: int, allowed: int) -> None:
        """Visit all cuts that include the cut ``base`` and whose telling steps are included in ``allowed``."""
        order, cuts, scheduled, telling = self._order, self._cuts, self.scheduled, self.telling
        path = list(positions_in(base))
        lengths = [len(path)]
        clean = 0  # So many steps of the path are as they were when the file system was last asked for.
        seen = {base}
        stack = [(base, self._key(base), 0, 0)]
        while stack:
            cut, key, added, depth = stack.pop()
            if added:
                del lengths[depth:]
                del path[lengths[-1] :]
                clean = min(clean, len(path))
                path += positions_in(added)
                lengths.append(len(path))
            if key not in cuts.known:
                filesystem = cuts.replayer.go_to(order, path, clean)
                clean = len(path)
                found = cuts.known[key] = self._visitor(cut, filesystem)
                cuts.highest = max(cuts.highest, found)
                self._new.append((cut, key))
            for task in self._tasks:
                rest = task & ~cut
                lowest = rest & -rest
                if not lowest & allowed:
                    continue
                position = lowest.bit_length() - 1
                before = order.before[position]
                if not before & telling & ~cut:
                    larger = cut | before & scheduled | lowest
                    if larger not in seen:
                        seen.add(larger)
                        stack.append((larger, key + order.identity(position) & _MASK, larger & ~cut, depth + 1))

    def drops(self) -> Iterator[Drop]:
        """Where a new cut gives less than a cut that has one telling step less."""
        order, known = self._order, self._cuts.known
        for cut, key in self._new:
            found = known[key]
            if found == self._cuts.highest:
                continue
            latest = [(task & cut).bit_length() - 1 for task in self._tasks if task & cut]
            for last in latest:
                if any(order.before[other] >> last & 1 for other in latest):
                    continue
                before = known[key - order.identity(last) & _MASK]
                if before > found:
                    yield cut, self._closed(cut & self.telling & ~(1 << last)), found, before

    def _key(self, cut: int) -> int:
        """What a cut is known by."""
        return sum(map(self._order.identity, positions_in(cut & self.telling))) & _MASK

    def _closed(self, steps: int) -> int:
        """The least cut with these telling steps."""
        found = steps
        for position in positions_in(steps):
            found |= self._order.before[position]
        return found & self.scheduled


def telling_steps(execution: Execution) -> int:
    """The scheduled steps that change a file system, or at which a rank's save has returned or its program ended.

    Where a rank has got there at the end of a collective, they are the last steps of those that it waited for.
    """
    order = execution.order
    scheduled = set_of(execution.scheduled)
    found = 0
    for position, step in enumerate(order.steps):
        effects = step.effects
        if scheduled >> position & 1 and _changes(order.touched[position]):
            found |= 1 << position
        if effects is not None and (effects.saved or effects.finished):
            if scheduled >> position & 1:
                found |= 1 << position
            else:
                found |= _last_of_each(order, order.before[position] & scheduled)
    return found


def _last_of_each(order: HappensBefore, steps: int) -> int:
    """The last step of each task in a set."""
    found = 0
    for task in {order.steps[position].task for position in positions_in(steps)}:
        found |= 1 << (order.of_task(task) & steps).bit_length() - 1
    return found


def _changes(what: Touched) -> bool:
    return any(mode is not Mode.READ and _is_left(thing) for thing, mode in what.things.items())


def _is_left(thing: Thing) -> bool:
    """Whether a restart could find the thing: not what belongs to a rank or a client, and no lock."""
    return thing[0] >= 0 and thing[1] != _LOCK and not is_of_client(thing)


class Milestones:
    """Those of one run. ``promised`` is what was promised before the attempt began.

    A milestone belongs to a step and is reached when the step is in the cut; that of a step which ends by itself (a
    collective) when all that it waits for is.
    """

    def __init__(self, execution: Execution, world_size: int, promised: int) -> None:
        order = execution.order
        scheduled = set_of(execution.scheduled)
        saves: list[list[tuple[int, int]]] = [[] for _ in range(world_size)]
        self._base = promised
        self._ended: list[tuple[int, int, Any]] = []

        def note(needed: int, effects: Effects) -> None:
            for rank, step in effects.saved:
                saves[rank].append((step, needed))
            for rank in effects.finished:
                ending = execution.endings[rank]
                self._ended.append((needed, rank, None if ending.error is not None else (ending.value,)))

        note(0, execution.initial)
        for position, step in enumerate(order.steps):
            effects = step.effects
            if effects is not None and (effects.saved or effects.finished):
                note((order.before[position] | 1 << position) & scheduled, effects)
        self._promises = _promises(saves)

    def promised(self, cut: int) -> int:
        """The newest step whose save has returned on every rank at a cut."""
        for step, needed in self._promises:
            if not needed & ~cut:
                return max(step, self._base)
        return self._base

    def saved_everywhere(self, cut: int) -> bool:
        """Whether a save of this attempt has returned on every rank at a cut."""
        return any(not needed & ~cut for _, needed in self._promises)

    def returned(self, cut: int) -> dict[int, Any]:
        """What the ranks have returned whose programs have ended at a cut without an error."""
        return {rank: value[0] for needed, rank, value in self._ended if not needed & ~cut and value is not None}

    def all_ended(self, cut: int, world_size: int) -> bool:
        """Whether every rank's program has ended at a cut."""
        return sum(1 for needed, _, _ in self._ended if not needed & ~cut) == world_size


def _promises(saves: list[list[tuple[int, int]]]) -> list[tuple[int, int]]:
    """(step, what must be in a cut) for each step that every rank has saved, or a newer one; the newest first."""
    found = []
    for wanted in sorted({step for each in saves for step, _ in each}, reverse=True):
        needed = 0
        for each in saves:
            first = next((need for step, need in each if step >= wanted), None)
            if first is None:
                break
            needed |= first
        else:
            found.append((wanted, needed))
    return found


class Death(msgspec.Struct, frozen=True):
    """A rank dies instead of doing its n-th operation in ``task``; with ``node``, all ranks of its node."""

    task: int
    n: int
    node: bool

    def choice(self, attempt: int) -> tuple[Address, int]:
        """What stands for it on a tape."""
        return (attempt, "kill", self.task, self.n), 2 if self.node else 1


def death_at(execution: Execution, cut: int, *, node: bool) -> Death | None:
    """A death at a consistent cut of a run, None where every task has ended or waits.

    Which rank it is makes no difference: a dead rank is to the others as one that does not go on, and the launcher
    ends all of them at any later point.
    """
    order = execution.order
    scheduled = set_of(execution.scheduled)
    tasks = sorted({order.steps[position].task for position in execution.scheduled})
    for task in tasks:
        rest = order.of_task(task) & scheduled & ~cut
        if rest:
            position = (rest & -rest).bit_length() - 1
            if not order.given[position] & scheduled & ~cut:
                return Death(task, order.steps[position].n, node)
    return None
