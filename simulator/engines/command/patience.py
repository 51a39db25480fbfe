"""Slow ranks of an unmodified program: each of their calls waits while the others make several."""

from __future__ import annotations

from collections.abc import Mapping


class Patience:
    """Who has to wait, and until how many grants. ``slowdowns``: how many times slower than the others, by rank."""

    def __init__(self, slowdowns: Mapping[int, float], world_size: int) -> None:
        self._slowdowns = slowdowns
        self._world_size = world_size
        self._grants = 0
        self._due: dict[int, int] = {}

    def granted(self) -> None:
        """Somebody has gone on."""
        self._grants += 1

    def postpones(self, task: int) -> bool:
        """A task has come to a call: whether it is to wait, until it is among those that ``admitted`` gives."""
        factor = self._slowdowns.get(task % self._world_size)
        if factor is None:
            return False
        self._due[task] = self._grants + max(0, round(factor) - 1)
        return True

    def forget(self, task: int) -> None:
        """The task does not wait any more."""
        self._due.pop(task, None)

    def admitted(self, others: bool) -> list[int]:
        """The tasks that have waited for long enough; without ``others`` who could go on, at least the next one."""
        found = sorted(task for task, due in self._due.items() if due <= self._grants)
        if not found and not others and self._due:
            found = [min(self._due, key=lambda task: (self._due[task], task))]
        for task in found:
            del self._due[task]
        return found
