"""Optimal dynamic partial-order reduction, without a bound and on one core: every class of interleavings once.

Abdulla, Aronis, Jonsson, Sagonas: Source Sets: A Foundation for Optimal Dynamic Partial Order Reduction, JACM 64(4),
2017, algorithm 2. A run is made anew for each class (nothing of the ranks can be undone), along its wakeup sequence and
then freely; when it has ended, each of its races leads to a further wakeup sequence, unless what that leads to is
explored elsewhere.

Deviations. The tree of wakeup sequences lives longer than in the paper (see ``tree``). A run in which everybody sleeps
is not given up but goes on: what a step touches may become known only later, when its code looks at a time that it has
got. Whether the class was new is then known from the run; if not, it is counted as redundant.
"""

from __future__ import annotations

from simulator.exhaustive.errand import Errand, Journey
from simulator.exhaustive.replayer import Replayer
from simulator.exhaustive.reversals import Reversals
from simulator.exhaustive.tree import Node, insert, leaves_to_run, next_leaf
from simulator.exhaustive.walker import Walker
from simulator.happens_before import Touched

NOTHING = Touched({})


class Exploration:
    """The search of one attempt."""

    def __init__(self, walker: Walker, replayer: Replayer) -> None:
        self._walker = walker
        self._replayer = replayer
        self.root = Node(None, -1, NOTHING, None)
        self.leaf: Node | None = self.root

    def go_on_with(self, root: Node) -> None:
        """Take up a search that was left before its end."""
        self.root = root
        self.leaf = next(leaves_to_run(root), None)

    def make(self, leaf: Node) -> Journey:
        """Make the run of a leaf. Nothing is noted of it yet: if the search is left now, it will be made again."""
        return self._walker.make(Errand(leaf))

    def take_in(self, leaf: Node, journey: Journey) -> None:
        """Note what the run of a leaf brought: its path, and what its races lead to."""
        path = extend(leaf, journey)
        for number, continuation in Reversals(journey, self._replayer):
            taken = path[number]
            assert taken.parent is not None
            insert(taken.parent, taken, continuation)
        self.leaf = next_leaf(path[-1] if path else leaf)


def extend(leaf: Node, journey: Journey) -> list[Node]:
    """Mark the path to a leaf as run, and add the steps that the run took after it. Gives the whole path."""
    order, path = journey.order, leaf.path()
    first = len(journey.scheduled) - len(journey.sleepers)
    if not path:
        leaf.run = True
    for number, sleepers in enumerate(journey.sleepers, first):
        position = journey.scheduled[number]
        step = order.steps[position]
        if number < len(path):
            node = path[number]
        else:
            parent = path[-1] if path else leaf
            node = Node(parent, step.task, order.touched[position], step.operation)
            parent.children.append(node)
            path.append(node)
        node.what = order.touched[position]
        node.operation = step.operation
        node.sleepers = sleepers
        node.run = True
    return path
