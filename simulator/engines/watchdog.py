"""Wall time: ends a rank that computes, or waits for a lock that nobody will release, without doing an operation.

A loop without operations never gives control back, and a ``threading`` lock that another rank holds would stop the
whole process, so a timer interrupts it. Python runs signal handlers in the main thread only; elsewhere there is no
watchdog, and such a rank hangs.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from simulator.boundary.caller import CURRENT
from simulator.errors import CannotDo, RankKilled


class Stuck(CannotDo):
    """A rank used up the wall time of a run without doing an operation."""


@contextmanager
def watchdog(seconds: float) -> Iterator[None]:
    """While active, a rank that runs when ``seconds`` have passed is unwound, and its engine raises ``Stuck``."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGALRM, _interrupt)
    started = time.perf_counter()
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        if left:
            # Somebody else's alarm, a test's time-out say: it goes on, and if it is due it rings here, in no rank.
            left -= time.perf_counter() - started
            signal.setitimer(signal.ITIMER_REAL, max(left, 1e-6), interval)


def _interrupt(number: int, frame: FrameType | None) -> None:
    caller = CURRENT.caller
    if caller is None:
        return  # The run loop has control and looks at the clock itself.
    where = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else "an unknown line"
    caller.stuck(where)
    raise RankKilled
