"""When fuzzing ends: after so many schedules, after some time, or when somebody says so."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NO_LIMIT = 1 << 62


class Limits:
    """``schedules`` and ``seconds`` from now, None for no limit; and ``interrupt``."""

    def __init__(self, schedules: int | None, seconds: float | None) -> None:
        self.schedules = schedules
        self.seconds = seconds
        self._started = time.perf_counter()
        self.interrupted = False

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._started

    @property
    def left(self) -> float | None:
        """Seconds until time is up."""
        return None if self.seconds is None else max(0.0, self.seconds - self.spent)

    def interrupt(self) -> None:
        """End as soon as possible: what is under way is still waited for."""
        self.interrupted = True

    @property
    def must_end(self) -> bool:
        """Whether nothing further is to be begun."""
        return self.interrupted or self.left == 0.0

    def unused(self, schedules: int) -> int:
        """How many more are to be run after so many."""
        return _NO_LIMIT if self.schedules is None else max(0, self.schedules - schedules)


@contextmanager
def interruptible(limits: Limits) -> Iterator[None]:
    """Meanwhile Ctrl-C, or SIGTERM, is a limit; a second one does what it does elsewhere."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def interrupt(number: int, frame: FrameType | None) -> None:
        limits.interrupt()
        signal.signal(number, usual[signal.Signals(number)])

    for number in usual:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


@contextmanager
def ignoring_interrupts() -> Iterator[None]:
    """Meanwhile Ctrl-C does nothing, also for processes that are started meanwhile: they inherit that for good."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
