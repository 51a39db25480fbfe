"""How torch's zip archives are written for a rank: C++ fills a sink, which is emptied between its calls.

See ``torch_adapter`` for why nothing may be done while C++ calls back into Python, and for what is reproduced.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from simulator.boundary.caller import Caller
from simulator.boundary.writing import FileBuffer
from simulator.operations import Close, Seek


class Sink:
    """The Python object to which torch's C++ code writes: keeps what comes, for later."""

    def __init__(self) -> None:
        self.total = 0
        self._kept: list[tuple[str, Any]] = []

    def write(self, data: Any) -> int:
        """Take a piece."""
        piece = bytes(data)
        self._kept.append(("write", (piece,)))
        self.total += len(piece)
        return len(piece)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Leave a hole, as ``torch.serialization.skip_data`` asks for."""
        self._kept.append(("seek", (offset, whence)))
        self.total = offset if whence == os.SEEK_SET else self.total + offset
        return self.total

    def tell(self) -> int:
        """Where the next byte goes."""
        return self.total

    def flush(self) -> None:
        """Torch flushes when it has ended the archive; what it writes to is flushed by whoever owns it."""

    def empty(self, target: Any) -> None:
        """Do to ``target`` what was done here. What follows a failure is dropped."""
        kept, self._kept = self._kept, []
        for action, arguments in kept:
            getattr(target, action)(*arguments)


class ArchiveFile:
    """The file that torch's C++ code opens for an archive: a ``std::ofstream``."""

    def __init__(self, caller: Caller, fd: int) -> None:
        self._caller = caller
        self._fd = fd
        self._buffer = FileBuffer(caller, fd)

    def write(self, data: bytes) -> None:
        """Take a piece. Raises RuntimeError when it cannot be written."""
        self._attempt(lambda: self._buffer.write(data))

    def seek(self, offset: int, whence: int) -> None:
        """Write out what is held and move. Raises RuntimeError when that fails."""
        self._attempt(self._buffer.flush)
        self._caller.perform(Seek(self._fd, offset, whence))

    def close(self) -> None:
        """Write out what is held, also after a failure, and close. Raises RuntimeError when it cannot be written."""
        try:
            self._attempt(self._buffer.flush)
        finally:
            self._caller.perform(Close(self._fd))

    def _attempt(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            raise RuntimeError("basic_ios::clear: iostream error") from error


class ArchiveWriter:
    """``torch._C.PyTorchFileWriter`` for a rank. ``target`` is what is written to; ``owned``: it is closed here."""

    def __init__(self, writer: Any, sink: Sink, target: Any, owned: bool) -> None:
        self._writer = writer
        self._sink = sink
        self._target = target
        self._owned = owned
        self._start = 0
        self._failure: BaseException | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def write_record(self, *arguments: Any) -> None:
        """Write a record. Raises RuntimeError when the file cannot be written, or what the target raises."""
        self._start = self._sink.total
        self._writer.write_record(*arguments)
        self._empty()

    def write_record_metadata(self, *arguments: Any) -> None:
        """Leave room for a record. Raises as ``write_record`` does."""
        self._start = self._sink.total
        self._writer.write_record_metadata(*arguments)
        self._empty()

    def write_end_of_file(self) -> None:
        """End the archive and close the file. Raises RuntimeError when it cannot be written, or could not before."""
        before = self._sink.total
        self._writer.write_end_of_file()
        if self._failure is None:
            self._empty()
            if self._owned:
                self._target.close()
            return
        if not isinstance(self._failure, Exception):
            raise self._failure
        try:
            if self._owned:
                self._target.close()
        finally:
            place = f"unexpected pos {before} vs {self._start}"
            raise RuntimeError(f"[enforce fail at inline_container.cc] . {place}") from self._failure

    def _empty(self) -> None:
        try:
            self._sink.empty(self._target)
        except BaseException as error:
            self._failure = error
            raise
