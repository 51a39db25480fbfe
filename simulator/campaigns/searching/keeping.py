"""Keeps how far an exhaustive search has come: when it is stopped, and now and then in case it is killed."""

from __future__ import annotations

import time
from pathlib import Path

from simulator.exhaustive.checkpoint import save
from simulator.exhaustive.search import Search
from simulator.interruption import finishing

_FIRST, _LATER = 2.0, 60.0
"""Seconds until the first checkpoint of a search that goes on, and between two later ones; between, they double."""


class Keeper:
    """Writes to ``path``. ``started`` is the value of ``perf_counter`` at which the search would have begun at once."""

    def __init__(self, path: Path, started: float) -> None:
        self._path = path
        self._started = started
        self._every = _FIRST
        self._next = time.perf_counter() + self._every

    def keep(self, search: Search) -> None:
        """Keep it now. A search must be between two runs, or broken off in a judgement."""
        with finishing():
            save(search, time.perf_counter() - self._started, self._path)

    def keep_now_and_then(self, search: Search) -> None:
        """Keep it if that was long ago."""
        now = time.perf_counter()
        if now > self._next and not search.must_stop:
            self.keep(search)
            # Not more than a part of the time is spent on this, however large the search gets.
            self._every = min(2 * self._every, _LATER)
            self._next = max(now + self._every, time.perf_counter() + 20 * (time.perf_counter() - now))

    def forget(self) -> None:
        """The search has come to its end: nothing is to be gone on with."""
        self._path.unlink(missing_ok=True)
