"""A cheap guess, before they are carried out, whether two pending operations race.

Samplers use it to decide what is interesting; nothing that claims completeness may (footprints are exact and belong to
exhaustive search). Paths stand for what they name, and a call on a descriptor for the path that its task opened last.
"""

from __future__ import annotations

from simulator.operations import CHANGING, Open, Operation, Readdir, Rename, Rmdir, paths_of

_LISTS = (Readdir, Rmdir, Rename)


class Targets:
    """The paths that each task's operations are about."""

    def __init__(self) -> None:
        self._opened: dict[int, str] = {}

    def of(self, task: int, operation: Operation) -> tuple[str, ...]:
        """The paths of an operation that the task is about to do."""
        paths = paths_of(operation)
        if not paths:
            opened = self._opened.get(task)
            return () if opened is None else (opened,)
        return paths

    def done(self, task: int, operation: Operation) -> None:
        """Remember what an Open makes later descriptor calls refer to."""
        if type(operation) is Open:
            self._opened[task] = operation.path


def may_race(first: Operation, first_paths: tuple[str, ...], second: Operation, second_paths: tuple[str, ...]) -> bool:
    """Whether the two name a common path, or one lists what the other changes, and at least one of them changes."""
    if type(first) not in CHANGING and type(second) not in CHANGING:
        return False
    for a in first_paths:
        for b in second_paths:
            if a == b:
                return True
            if isinstance(first, _LISTS) and b.startswith(a + "/"):
                return True
            if isinstance(second, _LISTS) and a.startswith(b + "/"):
                return True
    return False
