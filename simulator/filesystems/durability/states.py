"""What a power loss can leave: all of it, within a bound, or the part of it that makes a difference to somebody."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from simulator.filesystems.durability.history import members
from simulator.filesystems.durability.ordering import Ordering

Found = TypeVar("Found")


def downward_closed(ordering: Ordering) -> Iterator[int]:
    """Every set of micro-operations that can be durable, once: first all of them, in the end only the certain ones."""
    pending = ordering.pending
    needs = {index: ordering.closed(1 << index) for index in members(pending)}
    dependent = {index: ordering.dependent(1 << index) for index in needs}

    # Depth first: of what is undecided, the latest is durable, with all that it needs, or lost, with all that need it.
    stack = [(ordering.certain, pending)]
    while stack:
        durable, undecided = stack.pop()
        if not undecided:
            yield durable
            continue
        index = undecided.bit_length() - 1
        stack.append((durable, undecided & ~dependent[index]))
        stack.append((durable | needs[index], undecided & ~needs[index]))


class Telling(Generic[Found]):
    """One set for each difference that somebody can see, those with the fewest losses first; with what was found.

    ``look`` is asked about a set and gives what it has found, and the micro-operations on what it has looked at. Sets
    in which those are alike give the same, since there nothing else was looked at; so one stands for all of them.
    ``bound`` limits how often ``look`` is asked; ``is_complete`` tells afterwards whether that was enough.
    """

    def __init__(self, ordering: Ordering, look: Callable[[int], tuple[Found, int]], bound: int | None = None) -> None:
        self._ordering = ordering
        self._look = look
        self._bound = bound
        self.is_complete = False

    def __iter__(self) -> Iterator[tuple[int, Found]]:
        """(what is lost, what was found)."""
        ordering, asked = self._ordering, 0
        waiting = deque([(ordering.certain, 0)])
        while waiting:
            if asked == self._bound:
                return
            asked += 1
            durable, lost = waiting.popleft()
            found, looked_at = self._look(ordering.all & ~lost)
            yield lost, found
            for index in members(looked_at & ~durable & ~lost):
                if not durable >> index & 1:
                    waiting.append((durable, lost | ordering.dependent(1 << index)))
                    durable |= ordering.closed(1 << index)
        self.is_complete = True


def generators(ordering: Ordering, lost: int) -> int:
    """The fewest micro-operations whose loss means the loss of all of these."""
    found = lost
    for index in members(lost):
        if found >> index & 1:
            others = found & ~(1 << index)
            # One that goes because another one does needs no mention.
            if any(ordering.closed(1 << index) >> other & 1 for other in members(others & lost)):
                found = others
    return found
