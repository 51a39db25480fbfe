"""Time as a rank sees it: its own clock, moved by its operations, and sleep as an operation."""

from __future__ import annotations

import time
from typing import Any, Final

from simulator.boundary.caller import Caller
from simulator.boundary.calls import Simulated
from simulator.operations import Sleep

_BILLION = 1_000_000_000
_localtime, _gmtime, _ctime, _asctime, _strftime = (
    time.localtime, time.gmtime, time.ctime, time.asctime, time.strftime
)  # fmt: skip


def seconds(caller: Caller) -> float:
    """As ``time.time``, ``monotonic``, ``perf_counter`` and ``process_time``, which show one clock here."""
    return caller.clock() / _BILLION


def nanoseconds(caller: Caller) -> int:
    """As the functions of ``time`` whose name ends in ``_ns``."""
    return caller.clock()


def clock_seconds(caller: Caller, clk_id: int) -> float:
    """As ``time.clock_gettime``, whichever clock is asked for."""
    return caller.clock() / _BILLION


def clock_nanoseconds(caller: Caller, clk_id: int) -> int:
    """As ``time.clock_gettime_ns``, whichever clock is asked for."""
    return caller.clock()


def sleep(caller: Caller, secs: Any) -> None:
    """As ``time.sleep``."""
    if not isinstance(secs, int | float):
        if not hasattr(secs, "__index__") and not hasattr(secs, "__float__"):
            raise TypeError(f"{type(secs).__name__!r} object cannot be interpreted as an integer")
        secs = float(secs)
    if secs < 0:
        raise ValueError("sleep length must be non-negative")
    if secs != secs:
        raise ValueError("Invalid value NaN (not a number)")
    caller.perform(Sleep(float(secs)))


def localtime(caller: Caller, secs: float | None = None) -> time.struct_time:
    """As ``time.localtime``."""
    return _localtime(caller.clock() // _BILLION if secs is None else secs)


def gmtime(caller: Caller, secs: float | None = None) -> time.struct_time:
    """As ``time.gmtime``."""
    return _gmtime(caller.clock() // _BILLION if secs is None else secs)


def ctime(caller: Caller, secs: float | None = None) -> str:
    """As ``time.ctime``."""
    return _ctime(caller.clock() // _BILLION if secs is None else secs)


def asctime(caller: Caller, *times: Any) -> str:
    """As ``time.asctime``."""
    return _asctime(*times) if times else _asctime(localtime(caller))


def strftime(caller: Caller, form: str, *times: Any) -> str:
    """As ``time.strftime``."""
    return _strftime(form, *times) if times else _strftime(form, localtime(caller))


FUNCTIONS: Final[dict[str, Simulated]] = {
    "time:time": seconds,
    "time:monotonic": seconds,
    "time:perf_counter": seconds,
    "time:process_time": seconds,
    "time:thread_time": seconds,
    "time:time_ns": nanoseconds,
    "time:monotonic_ns": nanoseconds,
    "time:perf_counter_ns": nanoseconds,
    "time:process_time_ns": nanoseconds,
    "time:thread_time_ns": nanoseconds,
    "time:clock_gettime": clock_seconds,
    "time:clock_gettime_ns": clock_nanoseconds,
    "time:sleep": sleep,
    "time:localtime": localtime,
    "time:gmtime": gmtime,
    "time:ctime": ctime,
    "time:asctime": asctime,
    "time:strftime": strftime,
}
