"""The unbuffered file of a rank: the place of C's ``FileIO`` under Python's buffered and text files.

User-space buffering is C's own: data that nobody flushed stays in the rank, where neither fsync nor another rank sees
it, and is lost when the rank is killed.
"""

from __future__ import annotations

import errno
import io
import os
from typing import Any

from simulator.boundary.calls import error_of
from simulator.boundary.caller import Caller, current
from simulator.boundary.descriptors import content_of
from simulator.operations import Close, Read, Seek, Truncate, Write


class RawFile(io.RawIOBase):
    """A simulated descriptor as a raw file. It belongs to the rank that opened it.

    Whatever happens to it in another rank's name touches nothing, and so does what happens in nobody's name: a dead
    rank's file that is closed or collected writes no byte of what it still held.
    """

    __slots__ = ("_caller", "_closefd", "_fd", "_readable", "_untouched", "_writable", "closed", "mode", "name")

    closed: bool
    mode: str
    name: Any

    def __init__(self, caller: Caller, fd: int, name: Any, mode: str, closefd: bool, untouched: bool) -> None:
        self.closed = False
        self._caller = caller
        self._fd = fd
        self.name = name
        self.mode = mode
        self._closefd = closefd
        self._readable = mode == "rb" or mode.endswith("+")
        self._writable = mode != "rb"
        self._untouched = untouched

    @property
    def closefd(self) -> bool:
        """Whether closing the file closes the descriptor."""
        return self._closefd

    def __repr__(self) -> str:
        if self.closed:
            return "<_io.FileIO [closed]>"
        return f"<_io.FileIO name={self.name!r} mode={self.mode!r} closefd={self._closefd}>"

    def fileno(self) -> int:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        return self._fd

    def isatty(self) -> bool:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        return False

    def readable(self) -> bool:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        return self._readable

    def writable(self) -> bool:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        return self._writable

    def seekable(self) -> bool:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return self.readall()
        self._require("read", self._readable)
        data: bytes = self._perform(Read(self._fd, size))
        return data

    def readall(self) -> bytes:
        self._require("read", self._readable)
        data: bytes = self._perform(Read(self._fd, -1))
        return data

    def readinto(self, buffer: Any) -> int:
        self._require("read", self._readable)
        view = memoryview(buffer).cast("B")
        data: bytes = self._perform(Read(self._fd, len(view)))
        view[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        self._require("write", self._writable)
        content = content_of(data)
        if current() is None:
            return len(content)
        written: int = self._perform(Write(self._fd, content))
        return written

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        position: int = self._perform(Seek(self._fd, offset, whence))
        return position

    def tell(self) -> int:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if self._untouched:
            return 0
        position: int = self._caller.perform(Seek(self._fd, 0, os.SEEK_CUR)) if self._is_own() else 0
        return position

    def truncate(self, size: int | None = None) -> int:
        self._require("write", self._writable)
        length = self.tell() if size is None else size
        self._perform(Truncate(self._fd, length))
        return length

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self._closefd and self._is_own():
            self._caller.perform(Close(self._fd))

    def _is_own(self) -> bool:
        return current() is self._caller

    def _require(self, action: str, allowed: bool) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if not allowed:
            raise io.UnsupportedOperation(f"File not open for {'reading' if action == 'read' else 'writing'}")

    def _perform(self, operation: Any) -> Any:
        if current() is not self._caller:
            raise error_of(errno.EBADF)
        self._untouched = False
        return self._caller.perform(operation)
