"""A continuation without the run that it comes from, as it is sent to the process that holds the whole tree."""

from __future__ import annotations

import msgspec

from simulator.exhaustive.bits import positions_in
from simulator.exhaustive.rows import Told, heard, told
from simulator.exhaustive.tree import APART, LAST, Continuation, Node
from simulator.happens_before import Touched, conflicting
from simulator.operations import Operation


class Message(msgspec.Struct, frozen=True):
    """``steps`` are (task, what it touches, which of the steps are before it); ``last`` comes after all of them."""

    steps: list[tuple[int, Told, int]]
    last: tuple[int, Told]


def message_of(continuation: Continuation) -> Message:
    """A continuation in the form in which it is sent."""
    order = continuation.order
    positions = list(positions_in(continuation.steps))
    steps = []
    for position in positions:
        before = sum(1 << number for number, other in enumerate(positions) if order.before[position] >> other & 1)
        steps.append((order.steps[position].task, told(order.touched[position]), before))
    return Message(steps, (continuation.task, told(continuation.what)))


class Detached:
    """What ``Continuation`` is, made from a message."""

    __slots__ = ("_left", "_steps", "_task", "_what")

    def __init__(self, message: Message) -> None:
        self._steps = [(task, heard(what), before) for task, what, before in message.steps]
        self._left = (1 << len(self._steps)) - 1
        self._task = message.last[0]
        self._what = heard(message.last[1])

    @property
    def is_empty(self) -> bool:
        return not self._left and self._task < 0

    def weak_initial(self, task: int, what: Touched) -> int | None:
        """See ``Continuation.weak_initial``."""
        left = self._left
        for number in positions_in(left):
            its, _, before = self._steps[number]
            if its == task:
                return None if before & left else number
        if any(conflicting(self._steps[number][1], what) is not None for number in positions_in(left)):
            return None
        if task == self._task:
            return LAST
        return APART if self._task < 0 or conflicting(what, self._what) is None else None

    def consume(self, position: int) -> None:
        """See ``Continuation.consume``."""
        if position == LAST:
            self._task = -1
        elif position >= 0:
            self._left &= ~(1 << position)

    def append_to(self, node: Node) -> Node:
        """See ``Continuation.append_to``."""
        operation: Operation | None = None
        steps = [self._steps[number][:2] for number in positions_in(self._left)]
        for task, what in [*steps, *([(self._task, self._what)] if self._task >= 0 else [])]:
            child = Node(node, task, what, operation)
            node.children.append(child)
            node = child
        return node
