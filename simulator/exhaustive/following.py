"""A scheduler that follows schedules of the search in a run that is judged as any other."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.run import Frontier


class Following:
    """Follows one schedule for each attempt; behind its end, and where a task cannot go on, the default."""

    def __init__(self, schedules: Sequence[Sequence[int]]) -> None:
        self._schedules = schedules
        self._schedule: Sequence[int] = ()
        self._position = 0

    def begin(self, attempt: int) -> None:
        """Start at the beginning of the attempt's schedule."""
        self._schedule = self._schedules[attempt] if attempt < len(self._schedules) else ()
        self._position = 0

    def choose(self, frontier: Frontier, last: int) -> int:
        """The schedule's next task."""
        position = self._position
        self._position = position + 1
        if position < len(self._schedule) and self._schedule[position] in frontier.pending:
            return self._schedule[position]
        return frontier.default(last)
