"""Programs whose number of classes of interleavings is known, on registers: a file's size is the register's value.

A write is one ``os.truncate``, a read is one ``os.stat``. Rank 0 makes the files, then all ranks meet.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from typing import Any

from simulator.rank import Rank

Programs = list[Callable[[Rank], Any]]


def readers(count: int) -> Programs:
    """One writer of x and so many readers of x."""
    return [_on(lambda r: r.write("x", 1)), *[_on(lambda r: r.read("x"))] * count]


def last_zero(count: int) -> Programs:
    """A reader scans a[count] down to a[0] until it reads 0; writer j does a[j] = a[j - 1] + 1."""

    def scan(registers: Registers) -> None:
        for number in range(count, -1, -1):
            if registers.read(f"a{number}") == 0:
                return

    def write(registers: Registers) -> None:
        number = registers.rank.index
        registers.write(f"a{number}", registers.read(f"a{number - 1}") + 1)

    return [_on(scan), *[_on(write)] * count]


def racy_counter(count: int) -> Programs:
    """Each rank reads c, then writes c + 1."""
    return [_on(lambda r: r.write("c", r.read("c") + 1))] * count


def last_write(count: int) -> Programs:
    """Each rank writes x once."""
    return [_on(lambda r: r.write("x", r.rank.index + 1))] * count


def writers_and_a_reader(count: int) -> Programs:
    """So many writers of x, one reader of x."""
    return [*last_write(count), _on(lambda r: r.read("x"))]


def store_buffering(count: int) -> Programs:
    """Rank i writes register i, then reads that of the next rank."""
    return [
        _on(lambda r: (r.write(f"x{r.rank.index}", 1), r.read(f"x{(r.rank.index + 1) % r.rank.world_size}")))
    ] * count


def private_writes(count: int) -> Programs:
    """Each rank writes a register of its own, twice."""
    return [_on(lambda r: (r.write(f"x{r.rank.index}", 1), r.write(f"x{r.rank.index}", 2)))] * count


def lock_step(count: int) -> Programs:
    """Each rank counts x up once, in a critical section under one lock."""

    def step(registers: Registers) -> None:
        with open(registers.rank.root / "lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            registers.write("x", registers.read("x") + 1)

    return [_on(step)] * count


class Registers:
    """The registers, as a rank uses them."""

    def __init__(self, rank: Rank) -> None:
        self.rank = rank

    def read(self, name: str) -> int:
        return os.stat(self.rank.root / name).st_size

    def write(self, name: str, value: int) -> None:
        os.truncate(self.rank.root / name, value)


def _on(body: Callable[[Registers], Any]) -> Callable[[Rank], Any]:
    def program(rank: Rank) -> Any:
        if rank.index == 0:
            for name in ("x", "c", "lock", *(f"{letter}{n}" for letter in "ax" for n in range(rank.world_size))):
                os.close(os.open(rank.root / name, os.O_CREAT | os.O_WRONLY))
        rank.barrier()
        return body(Registers(rank))

    return program
