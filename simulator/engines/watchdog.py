"""Wall time: ends a rank that computes, or waits for a lock that nobody will release, without doing an operation.

A loop without operations never gives control back, and a ``threading`` lock that another rank holds would stop the
whole process, so a timer interrupts it. Python runs signal handlers in the main thread only; elsewhere there is no
watchdog, and such a rank hangs.
"""

from __future__ import annotations

import threading
from _signal import ITIMER_REAL, SIGALRM, setitimer, signal  # type: ignore[import-not-found]
from contextlib import AbstractContextManager
from time import perf_counter
from types import FrameType, TracebackType
from typing import Any

from simulator.boundary.caller import CURRENT
from simulator.errors import CannotDo, RankKilled


class Stuck(CannotDo):
    """A rank used up the wall time of a run without doing an operation."""


def watchdog(seconds: float) -> AbstractContextManager[None]:
    """While active, a rank that runs when ``seconds`` have passed is unwound, and its engine raises ``Stuck``."""
    return _Watchdog(seconds)


_LONGEST = 1e8
"""Seconds: three years; a timer takes no number that a time_t cannot hold."""


class _Watchdog(AbstractContextManager[None]):
    """Every run enters one, so this is no generator and calls C's functions.

    What the module ``signal`` puts around them, to give enumerations, takes as long as several operations.
    """

    __slots__ = ("_active", "_left", "_previous", "_seconds", "_started")

    _left: tuple[float, float]
    _previous: Any
    _started: float

    def __init__(self, seconds: float) -> None:
        self._seconds = min(seconds, _LONGEST)
        self._active = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> None:
        if self._active:
            self._previous = signal(SIGALRM, _interrupt)
            self._started = perf_counter()
            self._left = setitimer(ITIMER_REAL, self._seconds, 1.0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._active:
            return
        setitimer(ITIMER_REAL, 0)
        signal(SIGALRM, self._previous)
        left, interval = self._left
        if left:
            # Somebody else's alarm, a test's time-out say: it goes on, and if it is due it rings here, in no rank.
            left -= perf_counter() - self._started
            setitimer(ITIMER_REAL, max(left, 1e-6), interval)


def _interrupt(number: int, frame: FrameType | None) -> None:
    caller = CURRENT.caller
    if caller is None:
        return  # The run loop has control and looks at the clock itself.
    where = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else "an unknown line"
    caller.stuck(where)
    raise RankKilled
