"""Every state that some interleaving of a class passes through, not only those of the run that stands for the class.

What a run leaves when it is stopped somewhere is a *consistent cut*: a set of steps that holds, with each step, all
that happen before it (Mattern, 1989). A shard written by rank 0 and a marker created by rank 1 are one class, yet there
is a cut with the marker and without the shard. The cuts of a class are visited by carrying its recorded steps out and
undoing them on a file system of the search's own; no rank runs. A cut is known by the identities of its steps, and one
that another class has had is not visited again.

Steps that end by themselves (collectives, joins) are in a cut as soon as all that they wait for is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from simulator.exhaustive.bits import positions_in, set_of
from simulator.exhaustive.errand import Journey
from simulator.exhaustive.replayer import Replayer, Rewindable
from simulator.happens_before import HappensBefore

_MASK = (1 << 64) - 1

Visitor = Callable[[int, Rewindable], int]
"""Called with a cut (a set of scheduled positions) and the file system there; gives the step that a restart would
resume from, 0 for none."""

Drop = tuple[int, int, int]
"""(cut, its last step, what a restart would have resumed from without that step), which is more than at the cut."""


class Cuts:
    """The cuts of all classes. ``known`` maps the key of each to what the visitor gave there."""

    def __init__(self, replayer: Replayer) -> None:
        self.replayer = replayer
        self.known: dict[int, int] = {}
        self.highest = 0

    def visit(self, journey: Journey, shared: int, visitor: Visitor) -> Iterator[Drop]:
        """Visit the new cuts of a run whose first ``shared`` scheduled steps it has in common with an earlier one.

        Then give the places where a restart would find less than one step before. Whatever loses something in several
        steps loses it in one of them, since the cuts between are cuts too.
        """
        lattice = _Lattice(self, journey, visitor)
        allowed = lattice.scheduled
        if not shared:
            lattice.visit_between(0, allowed)
        else:
            # A new cut has one of the new steps in it. They are parted by the first one that they have.
            for position in journey.scheduled[shared:]:
                base = (journey.order.before[position] | 1 << position) & lattice.scheduled
                if not base & ~allowed:
                    lattice.visit_between(base, allowed)
                allowed &= ~lattice.from_on(position)
        yield from lattice.drops()


class _Lattice:
    """The cuts of one run."""

    def __init__(self, cuts: Cuts, journey: Journey, visitor: Visitor) -> None:
        self._cuts = cuts
        self._order: HappensBefore = journey.order
        self._visitor = visitor
        self.scheduled = set_of(journey.scheduled)
        tasks = {journey.order.steps[position].task for position in journey.scheduled}
        self._tasks = [journey.order.of_task(task) & self.scheduled for task in sorted(tasks)]
        self._new: list[tuple[int, int]] = []

    def from_on(self, position: int) -> int:
        """The step, and all that happen after it."""
        before, found = self._order.before, 1 << position
        for later in positions_in(self.scheduled >> position + 1 << position + 1):
            if before[later] >> position & 1:
                found |= 1 << later
        return found

    def visit_between(self, base: int, allowed: int) -> None:
        """Visit all cuts that include the cut ``base`` and are included in ``allowed``."""
        order, cuts, scheduled = self._order, self._cuts, self.scheduled
        path = list(positions_in(base))
        length = len(path)
        clean = 0  # So many steps of the path are as they were when the file system was last asked for.
        seen = {base}
        stack = [(base, sum(map(order.identity, path)) & _MASK, -1, 0)]
        while stack:
            cut, key, added, depth = stack.pop()
            if added >= 0:
                del path[length + depth - 1 :]
                path.append(added)
                clean = min(clean, length + depth - 1)
            if key not in cuts.known:
                filesystem = cuts.replayer.go_to(order, path, clean)
                clean = len(path)
                found = cuts.known[key] = self._visitor(cut, filesystem)
                cuts.highest = max(cuts.highest, found)
                self._new.append((cut, key))
            for task in self._tasks:
                lowest = (task & ~cut) & -(task & ~cut)
                if lowest & allowed and cut | lowest not in seen:
                    position = lowest.bit_length() - 1
                    if not order.before[position] & scheduled & ~cut:
                        seen.add(cut | lowest)
                        stack.append((cut | lowest, key + order.identity(position) & _MASK, position, depth + 1))

    def drops(self) -> Iterator[Drop]:
        """Where a new cut gives less than a cut that has one step less."""
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
                    yield cut, last, before
