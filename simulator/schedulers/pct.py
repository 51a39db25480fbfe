"""PCT: probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi, Nagarakatte, ASPLOS 2010).

Every task gets a random priority and the ready task of highest priority goes. At d - 1 randomly chosen steps
k_1 ... k_(d-1) the task that went last gets a priority below all initial ones: the i-th of them that of rank i. A bug
of depth d is then found with probability at least 1 / (n * k**(d-1)) a run, for n tasks and k steps.

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
        self._changes: dict[int, int] = {}
        self._step = 0
        self._lowest = -depth

    def begin(self, attempt: int) -> None:
        """Draw priorities lazily and the change points now."""
        self._priority = {}
        depth = self._depth
        self._changes = {self._random.randrange(self._steps): i - depth for i in range(1, depth)}
        self._step = 0
        self._lowest = -depth

    def choose(self, frontier: Frontier, last: int) -> int:
        """The ready task of highest priority, after a change point has lowered the one that went last."""
        priority = self._priority
        change = self._changes.get(self._step)
        if change is not None and last >= 0:
            priority[last] = change
        self._step += 1
        best, highest = -1, -float("inf")
        for task in frontier.ready:
            value = priority.get(task)
            if value is None:
                # Initial priorities lie in [0, 1), those of change points and sleepers below 0.
                value = priority[task] = self._random.random()
            if value > highest:
                best, highest = task, value
        if type(frontier.pending[best]) is Sleep:
            self._lowest -= 1
            priority[best] = self._lowest
        return best
