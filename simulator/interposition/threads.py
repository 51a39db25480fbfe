"""What the threads of other processes are doing, as far as the kernel tells. proc(5)."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from simulator.interposition.system_calls import SLEEPS, signatures

_SLEEPS = [[str(number)] for number, signature in signatures().items() if signature.name in SLEEPS]


class Thread(msgspec.Struct, frozen=True):
    """A moment of a thread: ``state`` is the kernel's letter, ``switches`` how often it has left a processor.

    A thread that slept at two moments with the same count has slept all the time between.
    """

    state: str
    switches: tuple[int, int]

    @property
    def sleeps(self) -> bool:
        """Whether it waits for something, or has ended."""
        return self.state in "SZXIx"


def thread_at(process: int, thread: int) -> Thread | None:
    """The thread now; None where it is gone."""
    text = _read(f"/proc/{process}/task/{thread}/status")
    if text is None:
        return None
    state = text[text.index("\nState:") + 7 :].lstrip()[0]
    counts = text[text.index("\nvoluntary_ctxt_switches:") :].split()
    return Thread(state, (int(counts[1]), int(counts[3])))


def sleeps_for_a_time(thread: int) -> bool:
    """Whether the thread is in nanosleep(2) or clock_nanosleep(2)."""
    number = (_read(f"/proc/{thread}/syscall") or "").split(maxsplit=1)[:1]
    return number in _SLEEPS


def threads_of(process: int) -> list[int]:
    """The ids of a process's threads, sorted; none where it is gone."""
    try:
        return sorted(int(name) for name in os.listdir(f"/proc/{process}/task"))
    except OSError:
        return []


def descendants(process: int) -> Iterator[int]:
    """The process and all that it has started, directly or not, as far as it still stands above them."""
    waiting = [process]
    for each in waiting:
        yield each
        for thread in threads_of(each):
            waiting += [int(child) for child in (_read(f"/proc/{each}/task/{thread}/children") or "").split()]


def process_of(thread: int) -> int | None:
    """The process that a thread belongs to; None where it is gone."""
    return _field(thread, "\nTgid:", 10)


def parent_of(process: int) -> int | None:
    """The process that has started it, or that has taken it over since; None where it is gone."""
    return _field(process, "\nPPid:", 10)


def status_of(thread: int) -> dict[str, str] | None:
    """What /proc tells of a thread, by name; None where it is gone."""
    text = _read(f"/proc/{thread}/status")
    if text is None:
        return None
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def _field(thread: int, name: str, base: int) -> int | None:
    text = _read(f"/proc/{thread}/status")
    if text is None or name not in text:
        return None
    return int(text[text.index(name) + len(name) :].split(maxsplit=1)[0], base)


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None
