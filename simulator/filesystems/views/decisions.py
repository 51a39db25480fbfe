"""The choices that a file system offers to the tape: whether an answer is stale, and which of several allowed ones.

A choice is offered only where its values differ in what the rank gets to see. Its address is the operation of the task
that asks, so that undoing one shifts no other. 0 is what an undisturbed run gets: the fresh answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from simulator.operations import Operation

Choose: TypeAlias = Callable[[str, int, int, int, str], int]
"""(kind, task, n, options, text): the value for the n-th operation of a task, at least 0 and less than ``options``.

``text`` says in words what it means that the value is not 0."""

Acting: TypeAlias = Callable[[int, Operation], tuple[int, int, int]]
"""(rank, operation): the task of the rank that does the operation now, its n, and the task's clock (nanoseconds)."""

GROUPS: Final[Mapping[str, str]] = {
    "stale-name": "stale",
    "stale-target": "stale",
    "stale-attributes": "stale",
    "stale-data": "stale",
    "stale-listing": "stale",
    "unflushed": "stale",
    "resent": "resent",
    "timeout": "timeouts",
    "estale": "variations",
    "errno": "variations",
    "listing": "variations",
    "tie": "variations",
    "inode": "variations",
    "mtime": "variations",
}
"""The kinds of choices, each with the option of the profile that bounds how many of them a run may have."""


class Decisions:
    """Asks for choices. Without ``begin`` every choice is 0.

    ``acting`` tells which task acts; without it, the time that it is for a task is that of the change that it makes.
    """

    __slots__ = ("_choose", "acting")

    def __init__(self) -> None:
        self._choose: Choose | None = None
        self.acting: Acting | None = None

    def begin(self, choose: Choose | None, acting: Acting | None) -> None:
        """Whom to ask from now on, and who knows which task acts."""
        self._choose = choose
        self.acting = acting

    def ask(self, kind: str, rank: int, operation: Operation, text: str, options: int = 2) -> int:
        """The value of one choice."""
        if self._choose is None:
            return 0
        task, n = self.acting(rank, operation)[:2] if self.acting is not None else (rank, 0)
        return self._choose(kind, task, n, options, text)
