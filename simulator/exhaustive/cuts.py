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

from simulator.exhaustive.bits import positions_in, set_of
from simulator.exhaustive.errand import Journey
from simulator.exhaustive.replayer import Replayer, Rewindable
from simulator.filesystems.views.layers import is_of_client
from simulator.happens_before import HappensBefore, Touched
from simulator.operations import Mode, Thing, lock

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

    def __init__(self, replayer: Replayer, telling: Callable[[Journey], int] | None = None) -> None:
        self.replayer = replayer
        self.telling = telling or telling_steps
        self.known: dict[int, int] = {}
        self.highest = 0

    def key_of(self, journey: Journey, cut: int) -> int:
        """What a cut of a run is known by."""
        return sum(map(journey.order.identity, positions_in(cut & self.telling(journey)))) & _MASK

    def visit(self, journey: Journey, visitor: Visitor) -> Iterator[Drop]:
        """Visit the new cuts of a run, given that those of the run before it were visited.

        Then give the places where a restart would find less than one step before. Whatever loses something in several
        steps loses it in one of them, since the cuts between are cuts too.
        """
        lattice = _Lattice(self, journey, visitor)
        allowed = lattice.telling
        if not journey.shared:
            lattice.visit_between(0, allowed)
        else:
            # A new cut has one of the new steps in it. They are parted by the first one that they have.
            for position in journey.scheduled[journey.shared :]:
                if lattice.telling >> position & 1:
                    base = journey.order.before[position] | 1 << position
                    if not base & lattice.telling & ~allowed:
                        lattice.visit_between(base & lattice.scheduled, allowed)
                    allowed &= ~lattice.from_on(position)
        yield from lattice.drops()


class _Lattice:
    """The cuts of one run: those that are the least with their telling steps."""

    def __init__(self, cuts: Cuts, journey: Journey, visitor: Visitor) -> None:
        self._cuts = cuts
        self._order: HappensBefore = journey.order
        self._visitor = visitor
        self.scheduled = set_of(journey.scheduled)
        self.telling = cuts.telling(journey)
        tasks = sorted({journey.order.steps[position].task for position in journey.scheduled})
        self._tasks = [journey.order.of_task(task) & self.telling for task in tasks]
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


def telling_steps(journey: Journey) -> int:
    """The scheduled steps that change a file system, or at which a rank's save has returned or its program ended.

    Where a rank has got there at the end of a collective, they are the last steps of those that it waited for.
    """
    order = journey.order
    scheduled = set_of(journey.scheduled)
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
