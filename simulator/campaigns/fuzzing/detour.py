"""Schedulers that leave a recorded run at one point: to reverse a race, or to go on at random.

They take a tape as far as it is to be repeated, and any scheduler for what comes after.
"""

from __future__ import annotations

from random import Random

from simulator.campaigns.fuzzing.coverage import Race
from simulator.run import Frontier, Scheduler


class Reversal:
    """Follows ``before``, but holds the first operation of a race up until the second one was done.

    Meanwhile the task of the second operation goes on, or if it cannot, any other. Where nobody else can go on, or the
    second operation has become another one, the race cannot be reversed in this way, and the run is what it is. From
    then on ``after`` goes on. This is an order constraint as in greybox fuzzing for concurrency (Wolff, Shi, Duck,
    Mathur and Roychoudhury, ASPLOS 2024), one at a time, on the order of two operations instead of on reads-from.
    """

    def __init__(self, race: Race, before: Scheduler, after: Scheduler, random: Random) -> None:
        self._race = race
        self._before = before
        self._after = after
        self._random = random
        self._attempt = 0
        self._done = False

    def begin(self, attempt: int) -> None:
        """See ``run.Scheduler``."""
        self._attempt = attempt
        self._done = self._done or attempt > self._race.attempt
        self._before.begin(attempt)
        self._after.begin(attempt)

    def choose(self, frontier: Frontier, last: int) -> int:
        """Whose turn it is, but never that of the first operation before the second."""
        race = self._race
        if not self._done and self._attempt == race.attempt and frontier.position(race.second_task) > race.second_n:
            self._done = True
            if race.first_task in frontier.pending and frontier.position(race.first_task) == race.first_n:
                return race.first_task
        if self._done:
            return self._after.choose(frontier, last)
        task = self._before.choose(frontier, last)
        if self._attempt < race.attempt or task != race.first_task or frontier.position(task) != race.first_n:
            return task
        if race.second_task in frontier.pending:
            return race.second_task
        others = [other for other in frontier.ready if other != task]
        if others:
            return others[int(self._random.random() * len(others))]
        self._done = True
        return task


class Departure:
    """Follows ``before`` for so many steps of an attempt, then ``after``."""

    def __init__(self, attempt: int, steps: int, before: Scheduler, after: Scheduler) -> None:
        self._where = (attempt, steps)
        self._before = before
        self._after = after
        self._attempt = 0

    def begin(self, attempt: int) -> None:
        """See ``run.Scheduler``."""
        self._attempt = attempt
        self._before.begin(attempt)
        self._after.begin(attempt)

    def choose(self, frontier: Frontier, last: int) -> int:
        """As the one whose part it is chooses."""
        part = self._before if (self._attempt, len(frontier.steps)) < self._where else self._after
        return part.choose(frontier, last)
