"""The unbuffered file of a rank: the place of C's ``FileIO`` under Python's buffered and text files.

User-space buffering is C's own: data that nobody flushed stays in the rank, where neither fsync nor another rank sees
it, and is lost when the rank is killed.
"""

from __future__ import annotations

import errno
import io
import os
from _thread import get_ident
from typing import Any, Final

from simulator.boundary.caller import CURRENT, Caller, current
from simulator.boundary.calls import error_of
from simulator.boundary.descriptors import content_of
from simulator.operations import Close, Read, Seek, Truncate, Write
from simulator.originals import FileIO

_CLOSED: Final = "I/O operation on closed file"


class RawFile(io.RawIOBase):
    """A simulated descriptor as a raw file. It belongs to the rank that opened it.

    Whatever happens to it in another rank's name touches nothing, and so does what happens in nobody's name: a dead
    rank's file that is closed or collected writes no byte of what it still held.
    """

    __slots__ = ("_caller", "_closefd", "_fd", "_readable", "_untouched", "_writable", "closed", "mode", "name")

    closed: bool
    mode: str
    name: Any
    _caller: Caller
    _fd: int
    _closefd: bool
    _readable: bool
    _writable: bool
    _untouched: bool

    # What opens many files sets the slots by itself (``made``): a call of a class costs as much as all the rest.

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return FileIO  # what ``isinstance`` is told

    @property
    def closefd(self) -> bool:
        """Whether closing the file closes the descriptor."""
        return self._closefd

    def __repr__(self) -> str:
        if self.closed:
            return "<_io.FileIO [closed]>"
        named = f"name={self.name!r}" if hasattr(self, "name") else f"fd={self._fd}"
        return f"<_io.FileIO {named} mode={self.mode!r} closefd={self._closefd}>"

    def fileno(self) -> int:
        self._require_open()
        return self._fd

    def flush(self) -> None:
        self._require_open()

    def isatty(self) -> bool:
        self._require_open()
        return False

    def readable(self) -> bool:
        if self.closed:
            raise ValueError(_CLOSED)
        return self._readable

    def writable(self) -> bool:
        if self.closed:
            raise ValueError(_CLOSED)
        return self._writable

    def seekable(self) -> bool:
        self._require_open()
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return self.readall()
        self._require_readable()
        data: bytes = self._perform(Read(self._fd, size))
        return data

    def readall(self) -> bytes:
        self._require_readable()
        data: bytes = self._perform(Read(self._fd, -1))
        return data

    def readinto(self, buffer: Any) -> int:
        self._require_readable()
        view = memoryview(buffer).cast("B")
        data: bytes = self._perform(Read(self._fd, len(view)))
        size = len(data)
        view[:size] = data
        return size

    def write(self, data: Any) -> int:
        if self.closed:
            raise ValueError(_CLOSED)
        if not self._writable:
            raise io.UnsupportedOperation("File not open for writing")
        content = bytes(data) if type(data) is memoryview else content_of(data)
        caller = self._caller
        if CURRENT.caller is caller and CURRENT.thread == get_ident():
            self._untouched = False
            written: int = caller.perform(Write(self._fd, content))
            return written
        if current() is None:
            return len(content)
        raise error_of(errno.EBADF)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._require_open()
        position: int = self._perform(Seek(self._fd, offset, whence))
        return position

    def tell(self) -> int:
        if self.closed:
            raise ValueError(_CLOSED)
        if self._untouched:
            return 0
        position: int = self._caller.perform(Seek(self._fd, 0, os.SEEK_CUR)) if current() is self._caller else 0
        return position

    def truncate(self, size: int | None = None) -> int:
        self._require_open()
        if not self._writable:
            raise io.UnsupportedOperation("File not open for writing")
        length = self.tell() if size is None else size
        self._perform(Truncate(self._fd, length))
        return length

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        caller = self._caller
        if CURRENT.caller is caller and CURRENT.thread == get_ident() and self._closefd:
            caller.perform(Close(self._fd))

    def _require_open(self) -> None:
        if self.closed:
            raise ValueError(_CLOSED)

    def _require_readable(self) -> None:
        self._require_open()
        if not self._readable:
            raise io.UnsupportedOperation("File not open for reading")

    def _perform(self, operation: Any) -> Any:
        if current() is not self._caller:
            raise error_of(errno.EBADF)
        self._untouched = False
        try:
            return self._caller.perform(operation)
        except IsADirectoryError as error:
            error.filename = self.name
            raise


def made(
    caller: Caller, fd: int, name: Any, mode: str, readable: bool, writable: bool, closefd: bool, untouched: bool
) -> RawFile:
    """A raw file. ``mode`` is as ``FileIO`` shows it; ``untouched`` means that its position is known to be 0."""
    raw = _new(RawFile)
    raw.closed = False
    raw._caller = caller
    raw._fd = fd
    raw.name = name
    raw.mode = mode
    raw._closefd = closefd
    raw._readable = readable
    raw._writable = writable
    raw._untouched = untouched
    return raw


_new = RawFile.__new__


def is_simulated(file: Any) -> bool:
    """Whether a file object, buffered or text perhaps, stands on a simulated descriptor."""
    file = getattr(file, "buffer", file)
    return type(getattr(file, "raw", file)) is RawFile
