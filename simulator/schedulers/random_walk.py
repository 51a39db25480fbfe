"""Random walk: at each step, every ready task is as likely as any other."""

from __future__ import annotations

from random import Random

from simulator.run import Frontier


class RandomWalk:
    """Chooses uniformly among the ready tasks.

    With ``stay`` above 0 the task that went last goes on with that probability, if it can: long stretches of one rank
    find what needs few context switches (on the real Trainer, uniform choice found only the first race of four).
    """

    def __init__(self, random: Random, stay: float = 0.0) -> None:
        self._random = random
        self._stay = stay

    def begin(self, attempt: int) -> None:
        """Nothing is kept from one attempt to the next."""

    def choose(self, frontier: Frontier, last: int) -> int:
        """A ready task, uniformly."""
        ready = frontier.ready
        if self._stay and last in frontier.pending and self._random.random() < self._stay:
            return last
        return ready[int(self._random.random() * len(ready))]
