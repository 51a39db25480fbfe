"""Schedules in which recorded operations come in another order than they were recorded in."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.run import Frontier

Place = tuple[int, int]
"""(task, n): the n-th operation of a task."""

_MOST_MORE = 200
"""Grants beyond the recording that are given while the first waits: somebody may poll for it."""


class Reversing:
    """Follows the recorded order, except that ``first`` is withheld until ``second`` was done.

    ``goes_on`` says whose operation comes right after: the ``first`` one's, or whatever the ``second`` one's task does
    next. Behind that the run goes on undisturbed. If nobody else can go on, ``first`` is let go: ``gave_up``.
    """

    def __init__(
        self, recorded: Sequence[Sequence[Place]], attempt: int, first: Place, second: Place, goes_on: str = "first"
    ) -> None:
        self._recorded = [{place: position for position, place in enumerate(places)} for places in recorded]
        self._target = attempt
        self._first = first
        self._second = second
        self._goes_on = goes_on
        self._attempt = 0
        self._withheld = 0
        self._done = False
        self.gave_up = False

    def begin(self, attempt: int) -> None:
        """See ``run.Scheduler.begin``."""
        self._attempt = attempt

    def choose(self, frontier: Frontier, last: int) -> int:
        """See ``run.Scheduler.choose``."""
        if self._attempt < self._target:
            return self._next(frontier, list(frontier.ready), last)
        if self._attempt > self._target or self._done or self.gave_up:
            return frontier.default(last)
        task, n = self._first
        if frontier.position(self._second[0]) > self._second[1]:
            self._done = True
            return task if self._goes_on == "first" and task in frontier.pending else frontier.default(last)
        ready = list(frontier.ready)
        if task in ready and frontier.position(task) == n:
            self._withheld += 1
            ready.remove(task)
            if not ready or self._withheld > len(self._recorded[self._target]) + _MOST_MORE:
                self.gave_up = True
                return task
        return self._next(frontier, ready, last)

    def _next(self, frontier: Frontier, ready: Sequence[int], last: int) -> int:
        """Who was recorded to go on first, of those who may; where none was, the default if it may."""
        recorded = self._recorded[self._attempt] if self._attempt < len(self._recorded) else {}
        places = [
            (recorded[place], place[0]) for task in ready if (place := (task, frontier.position(task))) in recorded
        ]
        if places:
            return min(places)[1]
        default = frontier.default(last)
        return default if default in ready else ready[0]


class InOrder:
    """Of the tasks that can go on, the one goes next whose n-th operation has the earliest place; else the default."""

    def __init__(self, places: Sequence[Sequence[Place]]) -> None:
        self._places = [{place: position for position, place in enumerate(each)} for each in places]
        self._now: dict[Place, int] = {}

    def begin(self, attempt: int) -> None:
        """See ``run.Scheduler.begin``."""
        self._now = self._places[attempt] if attempt < len(self._places) else {}

    def choose(self, frontier: Frontier, last: int) -> int:
        """See ``run.Scheduler.choose``."""
        placed = [(self._now.get((task, frontier.position(task)), -1), task) for task in frontier.ready]
        return min((each for each in placed if each[0] >= 0), default=(0, frontier.default(last)))[1]
