"""The undisturbed run's mirror image: the last rank goes as far as it can, then the one before it."""

from __future__ import annotations

from simulator.operations import Sleep
from simulator.run import Frontier


class LastRankFirst:
    """Always the ready task of the highest number; one that is about to sleep lets those below it go first."""

    def begin(self, attempt: int) -> None:
        """Nothing is kept from one attempt to the next."""

    def choose(self, frontier: Frontier, last: int) -> int:
        """The highest ready task, or, after a sleeper, the next one down in cyclic order."""
        ready = frontier.ready
        if last in frontier.pending and type(frontier.pending[last]) is Sleep:
            return next((task for task in reversed(ready) if task < last), ready[-1])
        return ready[-1]
