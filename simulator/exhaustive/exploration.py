"""Optimal dynamic partial-order reduction, without a bound: every class of interleavings once.

Abdulla, Aronis, Jonsson, Sagonas: Source Sets: A Foundation for Optimal Dynamic Partial Order Reduction, JACM 64(4),
2017, algorithm 2. A run is made anew for each class (nothing of the ranks can be undone), along its wakeup sequence and
then freely; when it has ended, each of its races leads to a further wakeup sequence, unless what that leads to is
explored elsewhere.

Deviations. The tree of wakeup sequences lives longer than in the paper (see ``tree``). A run in which everybody sleeps
is not given up but goes on: what a step touches may become known only later, when its code looks at a time that it has
got. Whether the class was new is then known from the run; if not, it is counted as redundant.

Coons, Musuvathi, McKinley: Bounded Partial-Order Reduction, OOPSLA 2013, with their conservative backtracking points: a
task that is to go before a conflicting step is also tried at the last switch before that step, where it costs no
preemption. A preemption is a switch from a task that could have gone on, and has not just come out of a collective: who
goes first after a collective is nobody's preemption.

Deviations: all conflicting steps that waiting does not put in order are backtracked from, not only the last one of each
task, since what a file operation touches depends on what came before it. There are no sleep sets, which a bound makes
unsound, so many runs are of classes that were seen; they are counted as redundant.
"""

from __future__ import annotations

from simulator.exhaustive.execution import Prefix, prefix_of
from simulator.exhaustive.reversals import Brought
from simulator.exhaustive.tree import Node, insert, leaves_to_run, next_leaf
from simulator.happens_before import Touched

NOTHING = Touched({})


class Exploration:
    """The search of one attempt: the tree of its schedules. ``leaf`` is the leftmost that is to be run."""

    def __init__(self, root: Node | None = None) -> None:
        self.root = root or Node(None, -1, NOTHING, None)
        self.leaf: Node | None = next(leaves_to_run(self.root), None)

    def prefix(self, leaf: Node) -> Prefix:
        """What is to be run for a leaf."""
        return prefix_of(leaf)

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


class BoundedExploration:
    """The search of one attempt with at most ``preemptions`` of them. ``leaf`` is the leftmost that is to be run."""

    def __init__(self, preemptions: int, root: Node | None = None) -> None:
        self._bound = preemptions
        self.root = root or Node(None, -1, NOTHING, None)
        self.leaf: Node | None = next(leaves_to_run(self.root), None)

    def prefix(self, leaf: Node) -> Prefix:
        """What is to be run for a leaf."""
        return prefix_of(leaf, sleeping=False)

    def take_in(self, leaf: Node, brought: Brought) -> None:
        """Note what the run of a leaf brought."""
        path = extend(leaf, brought)
        for node, (able, met) in zip(path[brought.first :], brought.able, strict=True):
            before = node.parent
            assert before is not None
            before.able, before.met = able, met
            node.spent = before.spent + _price(before, node.task)
        for task, numbers in brought.earlier:
            for number in numbers:
                start = _block_start(path, number)
                # At the switches before the step, too: there it costs no preemption.
                for place in {number, start, _block_start(path, start - 1)}:
                    self._let_go(path[place].parent, task)
        if leaf is self.leaf:
            self.leaf = next_leaf(path[-1] if path else leaf)

    def _let_go(self, node: Node | None, task: int) -> None:
        """Let the task go on after a node, or everybody who can if it cannot itself."""
        assert node is not None
        for able in (task,) if task in node.able else node.able:
            within = node.spent + _price(node, able) <= self._bound
            if within and all(child.task != able for child in node.children):
                node.children.append(Node(node, able, NOTHING, None))


def _price(node: Node, task: int) -> int:
    """1 if going on with the task after this node is a preemption."""
    return int(task != node.task and _goes_on(node))


def _goes_on(node: Node) -> bool:
    """Whether the task that took this node's step could take the next one without having met others."""
    return node.task in node.able and not node.met


def _block_start(path: list[Node], number: int) -> int:
    """Where the task that takes this step was switched to."""
    number = max(number, 0)
    while number and path[number - 1].task == path[number].task and _goes_on(path[number - 1]):
        number -= 1
    return number
