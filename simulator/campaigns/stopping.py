"""When an exhaustive search stops early, and that it says so."""

from __future__ import annotations

import time

from simulator.errors import CkptraceError


class Stopped(CkptraceError):
    """The search was told to stop before its end; the message says by what."""


class Stopping:
    """The limits of a search: ``seconds`` since ``started`` (a value of ``perf_counter``), and ``max_classes``."""

    def __init__(self, started: float, seconds: float | None, max_classes: int | None) -> None:
        self.started = started
        self._seconds = seconds
        self._deadline = None if seconds is None else started + seconds
        self._max_classes = max_classes

    def look_up(self) -> None:
        """Raise Stopped when the time is used up."""
        if self._deadline is not None and time.perf_counter() > self._deadline:
            raise Stopped(f"stopped after {self._seconds:g} s, before every class was explored")

    def look_at(self, classes: int) -> None:
        """Raise Stopped when the time is used up, or there were that many classes."""
        if self._max_classes is not None and classes >= self._max_classes:
            raise Stopped(f"stopped after {classes:,} classes, before every class was explored")
        self.look_up()
