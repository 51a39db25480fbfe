"""Whether a thread waits for something with a time limit, after which it goes on by itself. proc(5), syscall(2)."""

from __future__ import annotations

import platform
from typing import Final

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


def waits_for_a_time(thread: int) -> bool:
    """Whether the thread is in such a call now; False where that cannot be told, as of one that is gone or runs."""
    try:
        with open(f"/proc/{thread}/syscall", encoding="ascii") as file:
            words = file.read().split()
    except OSError:
        return False
    if len(words) < 7:
        return False
    number, arguments = int(words[0]), [int(word, 16) for word in words[1:7]]
    machine = platform.machine()
    place = _MILLISECONDS.get(machine, {}).get(number)
    if place is not None:
        return arguments[place] & 0xFFFFFFFF < 1 << 31
    place = _POINTERS.get(machine, {}).get(number)
    return place is not None and arguments[place] != 0
