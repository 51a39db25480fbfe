"""How long a thread waits at most, after which it goes on by itself. proc(5), syscall(2), clock_nanosleep(2)."""

from __future__ import annotations

import platform
import struct
import time
from typing import Final

from simulator.interposition import arguments
from simulator.interposition.listener import Held
from simulator.interposition.system_calls import Signature

_MILLISECONDS: Final = {
    "x86_64": {7: 2, 232: 3, 281: 3},
    "aarch64": {22: 3},
}
"""poll, epoll_wait, epoll_pwait: the number of the argument that is the limit, minus one for none."""

_POINTERS: Final = {
    "x86_64": {23: 4, 35: 0, 202: 3, 230: 2, 270: 4, 271: 2, 441: 3},
    "aarch64": {72: 4, 73: 2, 98: 3, 101: 0, 115: 2, 441: 3},
}
"""select, nanosleep, futex, clock_nanosleep, pselect6, ppoll, epoll_pwait2: where it is pointed to, null for none."""


_SECOND: Final = 1_000_000_000
_FUTEX: Final = {"x86_64": 202, "aarch64": 98}
_COMMAND: Final = 0x7F
_WAIT: Final = 0
_WALL_CLOCK: Final = 0x100
"""FUTEX_WAIT, FUTEX_CLOCK_REALTIME and the bits of a futex operation that say which it is: linux/futex.h."""
_INTERVAL: Final = 5_000_000
"""Nanoseconds for which CPython waits before it asks for its lock again: sys.getswitchinterval()."""


def waits_for_a_time(thread: int) -> bool:
    """Whether the thread is in such a call now; False where that cannot be told, as of one that is gone or runs."""
    called = _call_of(thread)
    if called is None:
        return False
    number, given = called
    machine = platform.machine()
    place = _MILLISECONDS.get(machine, {}).get(number)
    if place is not None:
        return given[place] & 0xFFFFFFFF < 1 << 31
    place = _POINTERS.get(machine, {}).get(number)
    return place is not None and given[place] != 0


def may_wait_for_its_interpreter(thread: int) -> bool:
    """Whether the thread may be one that is about to run Python: it waits on a futex for no longer than those do.

    Threads that start together hand the interpreter's lock from one to the other, and each wakes up in between.
    """
    called = _call_of(thread)
    if called is None or called[0] != _FUTEX.get(platform.machine()):
        return False
    operation, limit = called[1][1], called[1][3]
    given = arguments.bytes_at(thread, limit, 16) if limit else None
    if given is None:
        return False
    seconds, nanoseconds = struct.unpack("=qq", given)
    until: int = seconds * _SECOND + nanoseconds
    if operation & _COMMAND != _WAIT:
        until -= time.clock_gettime_ns(time.CLOCK_REALTIME if operation & _WALL_CLOCK else time.CLOCK_MONOTONIC)
    return until <= _INTERVAL


def _call_of(thread: int) -> tuple[int, list[int]] | None:
    """The number of the call that a thread is in, and its arguments."""
    try:
        with open(f"/proc/{thread}/syscall", encoding="ascii") as file:
            words = file.read().split()
    except OSError:
        return None
    return (int(words[0]), [int(word, 16) for word in words[1:7]]) if len(words) >= 7 else None


_UNTIL: Final = 1
"""TIMER_ABSTIME: the time that is given is that of the end, and not how long until then."""
_CLOCKS: Final = frozenset({time.CLOCK_REALTIME, time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME, time.CLOCK_TAI})
_LONGEST: Final = 1 << 62
_ROUND: Final = (1, 2, 5)


def duration_of(held: Held, signature: Signature) -> int:
    """How long a held nanosleep or clock_nanosleep is to last, in nanoseconds; 0 where the call will fail.

    Until a time: how long that still is depends on when this is asked, so it is a round number, the one that somebody
    will have asked for a little earlier.
    """
    plain = signature.name == "nanosleep"
    given = arguments.bytes_at(held.thread, held.arguments[0 if plain else 2], 16)
    if given is None:
        return 0
    seconds, nanoseconds = struct.unpack("=qq", given)
    asked: int = seconds * _SECOND + nanoseconds
    if plain or not held.arguments[1] & _UNTIL:
        return max(0, min(asked, _LONGEST))
    clock = held.arguments[0]
    return 0 if clock not in _CLOCKS else rounded(min(asked - time.clock_gettime_ns(clock), _LONGEST))


def rounded(left: int) -> int:
    """The 1, 2 or 5 times a power of ten, 5 ms at least, of which so much is left: up to 1.4 times, down to 0.7."""
    unit = _SECOND // 1000
    while True:
        for digit in _ROUND:
            found = digit * unit
            if found >= 5 * _SECOND // 1000 and left * 10 <= found * 14:
                return found
        unit *= 10
