"""POS: partial order sampling (Yuan, Yang, Gu, CAV 2018).

Every pending operation has a random priority and the highest goes. When an operation is done, the pending operations
that race with it draw theirs anew, which is what makes the sampling about orders of racing operations instead of
about context switches.

Deviations: whether two operations race is guessed from the paths that they name (``races.may_race``). A sleep has a
priority below all other operations, or a polling loop would starve what it waits for.
"""

from __future__ import annotations

from random import Random

from simulator.operations import Operation, Sleep
from simulator.run import Frontier
from simulator.schedulers.races import Targets, may_race


class PartialOrderSampling:
    """One instance a campaign; priorities are drawn afresh in each attempt."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._priority: dict[int, tuple[Operation, float]] = {}
        self._targets = Targets()

    def begin(self, attempt: int) -> None:
        """Forget all priorities."""
        self._priority = {}
        self._targets = Targets()

    def choose(self, frontier: Frontier, last: int) -> int:
        """The pending operation of highest priority."""
        priority, pending, draw = self._priority, frontier.pending, self._random.random
        best, highest = -1, -2.0
        for task in frontier.ready:
            operation = pending[task]
            known = priority.get(task)
            if known is None or known[0] is not operation:
                known = priority[task] = (operation, draw() - (type(operation) is Sleep))
            if known[1] > highest:
                best, highest = task, known[1]
        done = pending[best]
        paths = self._targets.of(best, done)
        for task in frontier.ready:
            if task != best and may_race(done, paths, pending[task], self._targets.of(task, pending[task])):
                priority[task] = (pending[task], draw())
        self._targets.done(best, done)
        del priority[best]
        return best
