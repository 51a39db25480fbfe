"""The tree of what was explored and what is still to be: schedules as paths, wakeup sequences as branches.

A node is a prefix of schedules: the path from the root to it. The children of a node are the ways to go on that must
be taken, in the order in which they were found; what hangs below a node that was not run yet is a wakeup tree
(Abdulla, Aronis, Jonsson, Sagonas: Source Sets: A Foundation for Optimal Dynamic Partial Order Reduction, JACM 64(4),
2017, section 6). Every leaf that was not run is one run to make.

Deviation from the paper, where the wakeup tree at a node lives only while a depth-first search stands there: here
nodes stay until nothing can be inserted below them any more, which is when all to their left is complete. What is
inserted goes to the right of what is there, also below a node that was run. A left sibling is asleep in everything to
its right, explored or not. So the runs can be made in any order, several at a time, and the search can be stopped and
taken up again; made from left to right, it is the paper's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from simulator.engines.interface import Step
from simulator.happens_before import Touched, conflicting
from simulator.operations import Operation

Sleepers = dict[int, Touched]
"""Tasks that need not go next, since what begins with them is explored elsewhere; with what each would touch."""

NOBODY: Sleepers = {}
LAST = -1
APART = -2


class Node:
    """One step of a schedule, after those of its parents.

    ``task`` takes it, doing ``operation`` (None where that is not known), and touches ``what``. ``sleepers`` are those
    that sleep after it; they are known once the node was ``run``. ``complete``: nothing is left to do below. A search
    with a bound keeps here which tasks were ``able`` to go on after it, how many preemptions it has ``spent``, and
    whether the task has ``met`` others in a collective since.
    """

    __slots__ = (
        "able",
        "children",
        "complete",
        "met",
        "operation",
        "parent",
        "run",
        "sleepers",
        "spent",
        "task",
        "what",
    )

    def __init__(self, parent: Node | None, task: int, what: Touched, operation: Operation | None) -> None:
        self.parent = parent
        self.task = task
        self.what = what
        self.operation = operation
        self.children: list[Node] = []
        self.sleepers: Sleepers = NOBODY
        self.able: tuple[int, ...] = ()
        self.spent = 0
        self.met = False
        self.run = False
        self.complete = False

    @property
    def is_leaf_to_run(self) -> bool:
        """Whether this is the end of a wakeup sequence."""
        return not self.run and not self.children

    def path(self) -> list[Node]:
        """The nodes from below the root to this one."""
        found = []
        node: Node | None = self
        while node is not None and node.parent is not None:
            found.append(node)
            node = node.parent
        found.reverse()
        return found

    def entry(self) -> Sleepers:
        """Who sleeps when this node's step is taken: those of the parent, and the left siblings."""
        parent = self.parent
        if parent is None:
            return NOBODY
        if parent.children[0] is self:
            return parent.sleepers
        found = dict(parent.sleepers)
        for sibling in parent.children:
            if sibling is self:
                break
            found[sibling.task] = sibling.what
        return found


def awake_after(sleepers: Sleepers, what: Touched) -> Sleepers:
    """Who still sleeps after a step that touches ``what``."""
    if not sleepers:
        return sleepers
    return {task: its for task, its in sleepers.items() if conflicting(its, what) is None} or NOBODY


class Order(Protocol):
    """What is asked of the order of a run; see ``HappensBefore``."""

    @property
    def steps(self) -> Sequence[Step]: ...
    @property
    def touched(self) -> Sequence[Touched]: ...
    @property
    def before(self) -> Sequence[int]: ...
    def of_task(self, task: int) -> int: ...
    def conflicts_of(self, what: Touched) -> int: ...


class Continuation:
    """What is to be run after a node: some steps of a run in their order, and last of all one more step.

    ``steps`` are bits of positions in ``order``, all scheduled; ``task`` takes the last step with ``operation``, it is
    -1 when that step has been consumed. What that step touches may differ from what it touched in the run, so
    ``find_out`` tells when it is asked for.
    """

    __slots__ = ("_find_out", "_what", "operation", "order", "steps", "task")

    def __init__(
        self, order: Order, steps: int, task: int, operation: Operation, what: Touched | Callable[[], Touched]
    ) -> None:
        self.order = order
        self.steps = steps
        self.task = task
        self.operation = operation
        self._what = what

    @property
    def what(self) -> Touched:
        """What the last step touches."""
        what = self._what
        if not isinstance(what, Touched):
            what = self._what = what()
        return what

    def weak_initial(self, task: int, what: Touched) -> int | None:
        """Whether this may as well begin with the task's next step, which touches ``what`` (JACM 2017, definition 4.3).

        Gives the position of its first step if it can come first, LAST if that is the last step, APART if the task has
        no part in this and commutes with all of it, and None if this must not begin with it.
        """
        order, steps = self.order, self.steps
        mine = order.of_task(task) & steps
        if mine:
            first = (mine & -mine).bit_length() - 1
            return None if order.before[first] & steps else first
        if order.conflicts_of(what) & steps:
            return None
        if task == self.task:
            return LAST
        return APART if self.task < 0 or conflicting(what, self.what) is None else None

    def consume(self, position: int) -> None:
        """Leave out what has been found to come first."""
        if position == LAST:
            self.task = -1
        elif position >= 0:
            self.steps &= ~(1 << position)

    @property
    def is_empty(self) -> bool:
        return not self.steps and self.task < 0

    def append_to(self, node: Node) -> Node:
        """Hang this below a node as a branch to the right; gives its leaf."""
        order, rest = self.order, self.steps
        while rest:
            position = (rest & -rest).bit_length() - 1
            rest &= rest - 1
            step = order.steps[position]
            node = _child(node, step.task, order.touched[position], step.operation)
        if self.task >= 0:
            node = _child(node, self.task, self.what, self.operation)
        return node


def insert(node: Node, taken: Node, continuation: Continuation) -> Node | None:
    """Make sure that ``continuation`` is explored after ``node`` (JACM 2017, definition 6.2 and the test before it).

    ``taken`` is the child of ``node`` on the path of the run that asks for it. Gives the new leaf, or None where the
    continuation is explored already, or will be.
    """
    if any(continuation.weak_initial(*sleeper) is not None for sleeper in node.sleepers.items()):
        return None
    left = True
    below = node
    while True:
        for child in below.children:
            if child is taken:
                left = False
                continue
            found = continuation.weak_initial(child.task, child.what)
            if found is not None:
                break
        else:
            return continuation.append_to(below)
        if left and below is node:
            return None
        continuation.consume(found)
        if continuation.is_empty or not child.children:
            return None
        below = child


def leaves_to_run(root: Node) -> Iterator[Node]:
    """The leaves that were not run, from left to right."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.is_leaf_to_run:
            yield node
        waiting += [child for child in reversed(node.children) if not child.complete]


def part_left_of(leaf: Node | None) -> float:
    """An estimate of the part of a tree that is done: what lies to the left of a leaf, all branches of a node alike."""
    if leaf is None:
        return 1.0
    left, width = 0.0, 1.0
    for node in leaf.path():
        siblings = node.parent.children if node.parent is not None else [node]
        width /= len(siblings)
        left += width * siblings.index(node)
    return left


def next_leaf(node: Node) -> Node | None:
    """The leftmost leaf to run of the whole tree, given a node whose left is complete; None when all is explored.

    Nodes become complete on the way, from left to right: as long as something is to be run to the left of a node, that
    may lead to insertions below it.
    """
    here: Node | None = node
    while here is not None:
        below = next((child for child in here.children if not child.complete), None)
        if below is not None:
            here = below
        elif here.is_leaf_to_run:
            return here
        else:
            here.complete = True
            here.children = []
            here = here.parent
    return None


def _child(node: Node, task: int, what: Touched, operation: Operation | None) -> Node:
    child = Node(node, task, what, operation)
    node.children.append(child)
    return child
