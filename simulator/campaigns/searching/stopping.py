"""When an exhaustive search stops early, and that it says so."""

from __future__ import annotations

import time

from simulator import interruption
from simulator.errors import CkptraceError


class Stopped(CkptraceError):
    """The search was told to stop before its end; the message says by what."""


class Stopping:
    """The limits of a search: ``seconds`` from now, ``max_classes``, and that the command is to end."""

    def __init__(self, seconds: float | None, max_classes: int | None) -> None:
        self._seconds = seconds
        self._deadline = None if seconds is None else time.perf_counter() + seconds
        self._max_classes = max_classes

    def look_up(self) -> None:
        """Raise Stopped when the time is used up, Interrupted when the command is to end."""
        interruption.look_up()
        if self._deadline is not None and time.perf_counter() > self._deadline:
            raise Stopped(f"stopped after {self._seconds:g} s, before every class was explored")

    def look_at(self, classes: int) -> None:
        """Raise Stopped as ``look_up`` does, or when there are that many classes."""
        if self._max_classes is not None and classes >= self._max_classes:
            raise Stopped(f"stopped after {classes:,} classes, before every class was explored")
        self.look_up()
