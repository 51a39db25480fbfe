"""When an exhaustive search stops early, and that it says so."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from simulator.errors import CkptraceError


class Stopped(CkptraceError):
    """The search was told to stop before its end; the message says by what."""


class Stopping:
    """The limits of a search: ``seconds`` from now, ``max_classes``, and ``interrupt``."""

    def __init__(self, seconds: float | None, max_classes: int | None) -> None:
        self._seconds = seconds
        self._deadline = None if seconds is None else time.perf_counter() + seconds
        self._max_classes = max_classes
        self._interrupted = False

    def interrupt(self) -> None:
        """Stop at the next occasion."""
        self._interrupted = True

    def look_up(self) -> None:
        """Raise Stopped when the search was interrupted, or the time is used up."""
        if self._interrupted:
            raise Stopped("interrupted before every class was explored")
        if self._deadline is not None and time.perf_counter() > self._deadline:
            raise Stopped(f"stopped after {self._seconds:g} s, before every class was explored")

    def look_at(self, classes: int) -> None:
        """Raise Stopped as ``look_up`` does, or when there are that many classes."""
        if self._max_classes is not None and classes >= self._max_classes:
            raise Stopped(f"stopped after {classes:,} classes, before every class was explored")
        self.look_up()


@contextmanager
def stopping_after(seconds: float | None, max_classes: int | None, *, interruptible: bool) -> Iterator[Stopping]:
    """The limits of a search. If it is ``interruptible``, Ctrl-C is one of them; a second one interrupts at once."""
    stopping = Stopping(seconds, max_classes)
    if not interruptible or threading.current_thread() is not threading.main_thread():
        yield stopping
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        stopping.interrupt()
        signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, interrupt)
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGINT, previous)
