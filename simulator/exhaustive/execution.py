"""What one run of the search follows and what it brings back; sets of its positions, as the bits of an integer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from simulator.engines.collectives import Mismatch
from simulator.engines.interface import Effects, Ending
from simulator.exhaustive.tree import NOBODY, Node, Sleepers
from simulator.happens_before import HappensBefore, Looks, Touched
from simulator.operations import Lock, Operation


def positions_in(bits: int) -> Iterator[int]:
    """The members of a set in ascending order."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def set_of(positions: Iterable[int]) -> int:
    """The set of these positions."""
    bits = 0
    for position in positions:
        bits |= 1 << position
    return bits


class Prefix:
    """A schedule to follow: ``tasks``, doing ``operations`` (None where not known); after it the run goes on freely.

    The first ``first`` of them were run before. ``sleepers`` are asleep then, and at each further one its ``siblings``.
    """

    __slots__ = ("first", "operations", "siblings", "sleepers", "tasks")

    def __init__(
        self,
        tasks: list[int],
        operations: list[Operation | None],
        first: int = 0,
        sleepers: Sleepers = NOBODY,
        siblings: Sequence[Sleepers] = (),
    ) -> None:
        self.tasks = tasks
        self.operations = operations
        self.first = first
        self.sleepers = sleepers
        self.siblings = siblings or [NOBODY] * (len(tasks) - first)


def prefix_of(leaf: Node, *, sleeping: bool = True) -> Prefix:
    """The schedule that leads to a leaf; without ``sleeping`` nobody ever sleeps."""
    path = leaf.path()
    first = sum(1 for node in path if node.run)
    return Prefix(
        [node.task for node in path],
        [node.operation for node in path],
        first,
        path[first - 1].sleepers if first else NOBODY,
        [_left_siblings(node) for node in path[first:]] if sleeping else (),
    )


def _left_siblings(node: Node) -> Sleepers:
    parent = node.parent
    if parent is None or parent.children[0] is node:
        return NOBODY
    return {sibling.task: sibling.what for sibling in parent.children[: parent.children.index(node)]}


class Held:
    """A task that waits at the end of a run for a lock which nobody will let go."""

    __slots__ = ("operation", "rank", "task", "what")

    def __init__(self, task: int, rank: int, operation: Lock, what: Touched) -> None:
        self.task = task
        self.rank = rank
        self.operation = operation
        self.what = what


class Execution:
    """One run, as the search sees it. It is valid until the next run is made.

    ``scheduled`` are the positions in ``order`` of the steps that a scheduler decides about; the first ``shared`` of
    them were taken in the run before too. ``sleepers`` are those that slept after each from the prefix's first on; a
    ``redundant`` run went on though everybody slept. ``in_vain`` are, by the positions of sleeps of ranks that polled
    until they gave up, so many steps that followed at once. ``able`` are, if that was asked for, the tasks that could
    go on before each step from the prefix's first on, and whether that of the step before gave way, or met others. One
    that was ``broken_off`` did not come to an end: who waits there may go on, or looks again without end.
    """

    __slots__ = (
        "able",
        "broken_off",
        "endings",
        "failed",
        "held",
        "in_vain",
        "incomplete",
        "initial",
        "interleaved",
        "looks",
        "mismatch",
        "order",
        "redundant",
        "scheduled",
        "shared",
        "sleepers",
        "waiting",
    )

    order: HappensBefore
    scheduled: list[int]
    shared: int
    sleepers: list[Sleepers]
    able: list[tuple[tuple[int, ...], bool]]
    redundant: bool
    in_vain: dict[int, int]
    held: list[Held]
    looks: Looks
    initial: Effects
    endings: dict[int, Ending]
    failed: list[int]
    mismatch: Mismatch | None
    waiting: dict[int, str]
    interleaved: bool
    incomplete: str | None
    broken_off: bool

    @property
    def tasks(self) -> list[int]:
        """The schedule that was taken."""
        return self.grants(self.scheduled)

    def grants(self, positions: Iterable[int]) -> list[int]:
        """Whom an engine must let go on, one step after the other, so that these scheduled steps are taken."""
        steps, in_vain = self.order.steps, self.in_vain
        found = []
        for position in positions:
            found += [steps[position].task] * (1 + in_vain.get(position, 0))
        return found
