"""The memory of another process, as far as it can be read and written. proc(5)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

_Bytes: TypeAlias = bytes
"""In the class, the name is that of a method."""

_WORD: Final = 8
_LONGEST: Final = 1 << 20


class Unreadable(Exception):
    """Nothing is there, or not all that was asked for."""


class Memory:
    """Reads what is at an address, and writes it. Raises Unreadable."""

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

    def write(self, address: int, data: _Bytes) -> None:
        """Put bytes there; raises Unreadable where that was not possible for all of them."""
        try:
            written = os.pwrite(self._descriptor, data, address)
        except (OSError, OverflowError) as error:
            raise Unreadable from error
        if written != len(data):
            raise Unreadable


@contextmanager
def memory_of(thread: int, *, writable: bool = False) -> Iterator[Memory]:
    """The memory of a thread's process. Raises Unreadable where it is gone."""
    try:
        descriptor = os.open(f"/proc/{thread}/mem", (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
    except OSError as error:
        raise Unreadable from error
    try:
        yield Memory(descriptor)
    finally:
        os.close(descriptor)
