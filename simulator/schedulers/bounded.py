"""Context-bounded schedules: an undisturbed run but for a few switches (Musuvathi and Qadeer, PLDI 2007).

Most races need very few context switches, and a schedule with few is the one that people understand. Deviation: the
bound is sampled, not enumerated: the steps at which to switch are drawn from the length of an undisturbed run, and so
is the task that goes on.
"""

from __future__ import annotations

from random import Random

from simulator.run import Frontier


class ContextBounded:
    """At most ``switches`` switches that nobody is forced to make, at steps drawn anew for each attempt."""

    def __init__(self, random: Random, switches: int, steps: int) -> None:
        self._random = random
        self._switches = switches
        self._steps = max(1, steps)
        self._at: frozenset[int] = frozenset()
        self._step = 0

    def begin(self, attempt: int) -> None:
        """Draw the steps at which to switch."""
        self._at = frozenset(self._random.randrange(self._steps) for _ in range(self._switches))
        self._step = 0

    def choose(self, frontier: Frontier, last: int) -> int:
        """The default; at a drawn step, any other ready task."""
        step, self._step = self._step, self._step + 1
        usual = frontier.default(last)
        others = [task for task in frontier.ready if task != usual] if step in self._at else []
        return others[int(self._random.random() * len(others))] if others else usual
