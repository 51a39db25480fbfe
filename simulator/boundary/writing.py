"""Buffers of native writers, reproduced: which bytes reach the file in which system call."""

from __future__ import annotations

from typing import Protocol

from simulator.boundary.caller import Caller
from simulator.operations import Write


class Buffer(Protocol):
    """A buffer between a program and a file. Both methods raise OSError, and then keep what was not written."""

    def write(self, data: bytes) -> None:
        """Take bytes; write out what the buffer's rule says."""
        ...

    def flush(self) -> None:
        """Write out what is held."""
        ...


def write_all(caller: Caller, fd: int, data: bytes) -> None:
    """Write everything, as often as a short write asks for. Raises OSError."""
    while data:
        written: int = caller.perform(Write(fd, data))
        data = data[written:]


class FileBuffer:
    """``std::filebuf`` of libstdc++ (bits/fstream.tcc, ``xsputn``), as torch's zip writer uses it.

    8191 bytes are held; a piece of at least 1024 bytes, or one that does not fit, goes out at once, in one writev
    together with what is held.
    """

    CAPACITY = 8191
    CHUNK = 1024

    def __init__(self, caller: Caller, fd: int) -> None:
        self._caller = caller
        self._fd = fd
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        if len(data) < min(self.CHUNK, self.CAPACITY - self._size):
            self._held.append(data)
            self._size += len(data)
            return
        write_all(self._caller, self._fd, b"".join([*self._held, data]))
        self._held.clear()
        self._size = 0

    def flush(self) -> None:
        held = b"".join(self._held)
        self._held.clear()
        self._size = 0
        write_all(self._caller, self._fd, held)


class BufWriter:
    """``std::io::BufWriter`` of Rust (library/std/src/io/buffered/bufwriter.rs, ``write_all``).

    A piece that does not fit flushes what is held, and goes out on its own if it is as large as the buffer.
    """

    def __init__(self, caller: Caller, fd: int, capacity: int) -> None:
        self._caller = caller
        self._fd = fd
        self._capacity = capacity
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        if len(data) > self._capacity - self._size:
            self.flush()
        if len(data) >= self._capacity:
            write_all(self._caller, self._fd, data)
        else:
            self._held.append(data)
            self._size += len(data)

    def flush(self) -> None:
        held = b"".join(self._held)
        self._held.clear()
        self._size = 0
        write_all(self._caller, self._fd, held)
