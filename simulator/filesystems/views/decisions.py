"""The choices that a file system offers to the tape: whether an answer is stale, and which of several allowed ones.

A choice is offered only where its values differ in what the rank gets to see. Its address is the operation of the task
that asks, so that undoing one shifts no other. 0 is what an undisturbed run gets: the fresh answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from simulator.filesystems.views.server import Server
from simulator.operations import Access, Mode, Operation, Thing

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
    "estale": "stale",
    "errno": "variations",
    "listing": "variations",
    "tie": "variations",
    "inode": "variations",
    "mtime": "made_up",
}
"""The kinds of choices, each with the option of the profile that bounds how many of them a run may have."""


ANSWERED: Final[Access] = ((-(1 << 41), "@answered"), Mode.READ)
"""Among the accesses of an operation: it was answered otherwise than undisturbed. Nothing conflicts with that."""

_IN_WORDS: Final = {
    "stale": "stale answer",
    "resent": "lost reply",
    "timeouts": "time-out",
    "variations": "variation",
    "made_up": "made-up time",
}


def bounds_in_words(bounds: Mapping[str, int | None]) -> list[str]:
    """What a verdict must name of the choices that a file system had, as ``GROUPS`` groups them."""
    said = []
    for group, bound in bounds.items():
        if bound != 0:
            what = _IN_WORDS[group]
            said.append(f"{what}s" if bound is None else f"up to {bound} {what}{'s' if bound > 1 else ''}")
    return said


def is_of_client(thing: Thing) -> bool:
    """Whether this is about what clients hold: nobody finds it when they are gone, and to look may change it."""
    return thing[1].startswith("@")


class Decisions:
    """Asks for choices. Without ``begin`` every choice is 0.

    ``acting`` tells which task acts; without it, the time that it is for a task is that of the change that it makes.
    """

    __slots__ = ("_choose", "_server", "acting")

    def __init__(self, server: Server) -> None:
        self._server = server
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
        value = self._choose(kind, task, n, options, text)
        if value and self._server.accesses is not None:
            self._server.accesses.append(ANSWERED)
        return value
