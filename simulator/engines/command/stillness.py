"""Tells from repeated looks at sleeping threads whether any of them has run in between."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Final, TypeAlias

from simulator.interposition.threads import Thread
from simulator.interposition.time_limits import may_wait_for_its_interpreter, waits_for_a_time

Asleep: TypeAlias = Mapping[int, Mapping[int, Thread]]
"""The threads that are not held, by rank and number."""

_SHORTEST_PERIOD: Final = 0.002
"""Seconds: a thread that wakes up more often than that by itself counts as one that runs."""
_PERIODIC_LOOKS: Final = 2
"""So often in a row nothing else than such threads may have run."""


class Stillness:
    """What the last look at the threads of a job showed.

    Threads that wake up by themselves again and again, as gloo's do every 10 ms, two for each communicator, would
    never be seen all asleep by several ranks. One that waits with a time limit again, is nobody's task and has not run
    more often than its limit explains has found nothing to do: what others send it comes much faster, many times over.
    """

    def __init__(self) -> None:
        self._before: Asleep | None = None
        self._time = 0.0
        self._periodic = 0

    def look(self, asleep: Asleep, awaited: Collection[int]) -> bool:
        """Whether nobody has run since the last look. ``awaited``: threads whose every move counts."""
        now, before = time.monotonic(), self._before
        most = 1 + int((now - self._time) / _SHORTEST_PERIOD)
        self._before, self._time = asleep, now
        if before == asleep:
            return True
        if before is not None and _only_periodic(before, asleep, awaited, most):
            self._periodic += 1
            return self._periodic >= _PERIODIC_LOOKS
        self._periodic = 0
        return False


def _only_periodic(before: Asleep, asleep: Asleep, awaited: Collection[int], most: int) -> bool:
    if before.keys() != asleep.keys():
        return False
    for rank, threads in asleep.items():
        earlier = before[rank]
        if earlier.keys() != threads.keys():
            return False
        for thread, now in threads.items():
            then = earlier[thread]
            if then == now:
                continue
            ran = sum(now.switches) - sum(then.switches)
            if thread in awaited or not now.sleeps or ran > most or not waits_for_a_time(thread):
                return False
            if may_wait_for_its_interpreter(thread):
                return False
    return True
