"""Optimal dynamic partial-order reduction, without a bound: every class of interleavings once.

Abdulla, Aronis, Jonsson, Sagonas: Source Sets: A Foundation for Optimal Dynamic Partial Order Reduction, JACM 64(4),
2017, algorithm 2. A run is made anew for each class (nothing of the ranks can be undone), along its wakeup sequence and
then freely; when it has ended, each of its races leads to a further wakeup sequence, unless what that leads to is
explored elsewhere.

Deviations. The tree of wakeup sequences lives longer than in the paper (see ``tree``). A run in which everybody sleeps
is not given up but goes on: what a step touches may become known only later, when its code looks at a time that it has
got. Whether the class was new is then known from the run; if not, it is counted as redundant.
"""

from __future__ import annotations

from simulator.exhaustive.brought import Brought
from simulator.exhaustive.errand import Errand, errand_of
from simulator.exhaustive.tree import Node, insert, leaves_to_run, next_leaf
from simulator.happens_before import Touched

NOTHING = Touched({})


class Exploration:
    """The search of one attempt: the tree of its schedules. ``leaf`` is the leftmost that is to be run."""

    def __init__(self, root: Node | None = None) -> None:
        self.root = root or Node(None, -1, NOTHING, None)
        self.leaf: Node | None = next(leaves_to_run(self.root), None)

    def errand(self, leaf: Node) -> Errand:
        """What is to be run for a leaf."""
        return errand_of(leaf)

    def take_in(self, leaf: Node, brought: Brought) -> None:
        """Note what the run of a leaf brought: its path, and what its races lead to."""
        path = extend(leaf, brought)
        for number, continuation in brought.reversals:
            taken = path[number]
            assert taken.parent is not None
            insert(taken.parent, taken, continuation)
        if leaf is self.leaf:
            self.leaf = next_leaf(path[-1] if path else leaf)


def extend(leaf: Node, brought: Brought) -> list[Node]:
    """Mark the path to a leaf as run, and add the steps that the run took after it. Gives the whole path."""
    path = leaf.path()
    if not path:
        leaf.run = True
    for number, taken in enumerate(brought.taken, brought.first):
        if number < len(path):
            node = path[number]
        else:
            parent = path[-1] if path else leaf
            node = Node(parent, taken.task, taken.what, taken.operation)
            parent.children.append(node)
            path.append(node)
        node.what = taken.what
        node.operation = taken.operation
        node.sleepers = taken.sleepers
        node.run = True
    return path
