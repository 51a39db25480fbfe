"""When fuzzing ends: after so many schedules, after some time, or when somebody says so."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from simulator.interruption import SIGNALS, asked

_NO_LIMIT = 1 << 62


class Limits:
    """``schedules`` and ``seconds`` from now, None for no limit; and that the command is to end."""

    def __init__(self, schedules: int | None, seconds: float | None) -> None:
        self.schedules = schedules
        self.seconds = seconds
        self._started = time.perf_counter()

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._started

    @property
    def left(self) -> float | None:
        """Seconds until time is up."""
        return None if self.seconds is None else max(0.0, self.seconds - self.spent)

    @property
    def interrupted(self) -> bool:
        """Whether the command is to end."""
        return asked() is not None

    @property
    def must_end(self) -> bool:
        """Whether nothing further is to be begun."""
        return self.interrupted or self.left == 0.0

    def unused(self, schedules: int) -> int:
        """How many more are to be run after so many."""
        return _NO_LIMIT if self.schedules is None else max(0, self.schedules - schedules)


@contextmanager
def holding_signals() -> Iterator[None]:
    """Meanwhile signals wait, and processes that are started hold them off for good: this one decides for them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
