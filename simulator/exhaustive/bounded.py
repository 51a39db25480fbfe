"""Partial-order reduction with a bound on preemptions: every class that some schedule within the bound belongs to.

Coons, Musuvathi, McKinley: Bounded Partial-Order Reduction, OOPSLA 2013, with their conservative backtracking points: a
task that is to go before a conflicting step is also tried at the last switch before that step, where it costs no
preemption. A preemption is a switch from a task that could have gone on, and has not just come out of a collective: who
goes first after a collective is nobody's preemption.

Deviations: all conflicting steps that waiting does not put in order are backtracked from, not only the last one of each
task, since what a file operation touches depends on what came before it. There are no sleep sets, which a bound makes
unsound, so many runs are of classes that were seen; they are counted as redundant.
"""

from __future__ import annotations

from simulator.exhaustive.brought import Brought
from simulator.exhaustive.errand import Errand, errand_of
from simulator.exhaustive.exploration import NOTHING, extend
from simulator.exhaustive.tree import Node, leaves_to_run, next_leaf


class BoundedExploration:
    """The search of one attempt with at most ``preemptions`` of them. ``leaf`` is the leftmost that is to be run."""

    def __init__(self, preemptions: int, root: Node | None = None) -> None:
        self._bound = preemptions
        self.root = root or Node(None, -1, NOTHING, None)
        self.leaf: Node | None = next(leaves_to_run(self.root), None)

    def errand(self, leaf: Node) -> Errand:
        """What is to be run for a leaf."""
        return errand_of(leaf, sleeping=False)

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
