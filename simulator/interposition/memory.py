"""The memory of another process, as far as it can be read."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_WORD: Final = 8
_LONGEST: Final = 1 << 20


class Unreadable(Exception):
    """Nothing is there, or not all that was asked for."""


class Memory:
    """Reads what is at an address. Raises Unreadable."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def bytes(self, address: int, size: int) -> bytes:
        """So many bytes."""
        if not 0 <= size <= _LONGEST:
            raise Unreadable
        try:
            data = os.pread(self._descriptor, size, address)
        except (OSError, OverflowError, ValueError) as error:
            raise Unreadable from error
        if len(data) != size:
            raise Unreadable
        return data

    def words(self, address: int, count: int) -> tuple[int, ...]:
        """So many words of the machine."""
        return struct.unpack(f"={count}Q", self.bytes(address, count * _WORD))

    def word(self, address: int) -> int:
        """One word."""
        return int.from_bytes(self.bytes(address, _WORD), "little")


@contextmanager
def memory_of(thread: int) -> Iterator[Memory]:
    """The memory of a thread's process. Raises Unreadable where it is gone."""
    try:
        descriptor = os.open(f"/proc/{thread}/mem", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Unreadable from error
    try:
        yield Memory(descriptor)
    finally:
        os.close(descriptor)
