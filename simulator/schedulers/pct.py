"""PCT: probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi, Nagarakatte, ASPLOS 2010).

Every task gets a random priority and the ready task of highest priority goes. At d - 1 randomly chosen steps the task
that went last drops below all others. A bug of depth d is then found with probability at least 1 / (n * k**(d-1)) a
run, for n tasks and k steps.

Deviations: k is not known beforehand; the caller gives an estimate (the length of an undisturbed run). A sleeping
task yields: it drops to the lowest priority so far, or a polling loop would starve what it waits for. The change
points are counted over the whole attempt.
"""

from __future__ import annotations

from random import Random

from simulator.operations import Sleep
from simulator.run import Frontier


class PCT:
    """One instance a campaign; priorities and change points are drawn afresh for each attempt."""

    def __init__(self, random: Random, depth: int, steps: int) -> None:
        self._random = random
        self._depth = depth
        self._steps = max(1, steps)
        self._priority: dict[int, float] = {}
        self._changes: set[int] = set()
        self._step = 0
        self._lowest = 0.0

    def begin(self, attempt: int) -> None:
        """Draw priorities lazily and the change points now."""
        self._priority = {}
        self._changes = {self._random.randrange(self._steps) for _ in range(self._depth - 1)}
        self._step = 0
        self._lowest = 0.0

    def choose(self, frontier: Frontier, last: int) -> int:
        """The ready task of highest priority, after a change point has lowered the one that went last."""
        priority = self._priority
        if self._step in self._changes and last >= 0:
            self._lower(last)
        self._step += 1
        best, highest = -1, -float("inf")
        for task in frontier.ready:
            value = priority.get(task)
            if value is None:
                # Initial priorities lie above 0, every lowered one below: a drop is below all others, as in the paper.
                value = priority[task] = self._random.random()
            if value > highest:
                best, highest = task, value
        if type(frontier.pending[best]) is Sleep:
            self._lower(best)
        return best

    def _lower(self, task: int) -> None:
        self._lowest -= 1.0
        self._priority[task] = self._lowest
