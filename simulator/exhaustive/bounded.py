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

from simulator.exhaustive.bits import positions_in
from simulator.exhaustive.errand import Errand, Journey
from simulator.exhaustive.exploration import NOTHING, extend
from simulator.exhaustive.tree import Node, leaves_to_run, next_leaf
from simulator.exhaustive.walker import Walker


class BoundedExploration:
    """The search of one attempt with at most ``preemptions`` of them. The walker must note who is able."""

    def __init__(self, walker: Walker, preemptions: int) -> None:
        self._walker = walker
        self._bound = preemptions
        self.root = Node(None, -1, NOTHING, None)
        self.leaf: Node | None = self.root

    def go_on_with(self, root: Node) -> None:
        """Take up a search that was left before its end."""
        self.root = root
        self.leaf = next(leaves_to_run(root), None)

    def make(self, leaf: Node) -> Journey:
        """Make the run of a leaf. Nothing is noted of it yet: if the search is left now, it will be made again."""
        return self._walker.make(Errand(leaf, sleeping=False))

    def take_in(self, leaf: Node, journey: Journey) -> None:
        """Note what the run of a leaf brought."""
        path = extend(leaf, journey)
        first = len(path) - len(journey.able)
        for node, (able, met) in zip(path[first:], journey.able, strict=True):
            before = node.parent
            assert before is not None
            before.able, before.met = able, met
            node.spent = before.spent + _price(before, node.task)
        order = journey.order
        for number in range(first, len(path)):
            position = journey.scheduled[number]
            self._try_earlier(journey, path, order.conflicts[position] & ~order.given[position], path[number].task)
        for held in journey.held:
            positions = order.positions.get(held.task, [])
            past = order.before[positions[-1]] | 1 << positions[-1] if positions else 0
            self._try_earlier(journey, path, order.conflicts_of(held.what) & ~past, held.task)
        self.leaf = next_leaf(path[-1] if path else leaf)

    def _try_earlier(self, journey: Journey, path: list[Node], conflicts: int, task: int) -> None:
        """Let the task go before each of the steps that it conflicts with, and at the switches before them."""
        numbers = {position: number for number, position in enumerate(journey.scheduled)}
        for position in positions_in(conflicts):
            number = numbers[position]
            start = _block_start(path, number)
            for place in {number, start, _block_start(path, start - 1)}:
                self._let_go(path[place].parent, task)

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
