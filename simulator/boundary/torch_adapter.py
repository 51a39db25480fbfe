"""``torch``: its zip writer given a path, which writes in C++, and what maps files into memory.

``torch.save(obj, path)`` hands the path to ``torch._C.PyTorchFileWriter``. Held as system calls (torch 2.13, strace),
that does stat of the parent directory, open with O_WRONLY | O_CREAT | O_TRUNC, the writes of a ``std::filebuf``, and
close. Reproduced here with the writer over a Python object, and these differences:

- there is no stat: a missing parent shows when the open fails, with the message that the stat would have caused;
- the records in the archive lie under ``archive/``, not under the file's name without suffix, as always when torch
  writes to a Python object; ``torch.load`` does not mind.

``torch.load(path)`` opens the path in Python; only ``mmap=True`` goes past it, and is refused. What C++ opens itself
(``torch.jit.save``, ``torch.UntypedStorage.from_file``) is not adapted: it fails, since the root is on no real disk.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Any, Final

from simulator.boundary.caller import Caller, current
from simulator.boundary.calls import Simulated, refuse_call
from simulator.boundary.descriptors import open_at
from simulator.boundary.dispatch import original_of
from simulator.boundary.paths import outside, place
from simulator.boundary.raw_file import is_simulated
from simulator.boundary.writing import FileBuffer
from simulator.operations import Close, Seek


class Sink:
    """The Python object to which torch's C++ code writes. Never raises: C++ frames and destructors lie above it."""

    def __init__(self, caller: Caller, fd: int) -> None:
        self.failure: BaseException | None = None
        self.total = 0
        self._caller = caller
        self._fd = fd
        self._buffer = FileBuffer(caller, fd)
        self._open = True

    def write(self, data: Any) -> int:
        """Take a piece. Gives its size, whatever becomes of it; a failure is kept, and nothing is written after it."""
        size: int = memoryview(data).nbytes
        if self.failure is None and self._is_usable():
            try:
                self._buffer.write(bytes(data))
                self.total += size
            except BaseException as error:
                self.failure = error
        return size

    def flush(self) -> None:
        """Torch flushes when it has ended the archive; what is held goes out when the file is closed."""

    def tell(self) -> int:
        """Where the next byte goes."""
        return self.total

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Leave a hole, as ``torch.serialization.skip_data`` asks for."""
        if self.failure is None and self._is_usable():
            try:
                self._buffer.flush()
                self.total = self._caller.perform(Seek(self._fd, offset, whence))
            except BaseException as error:
                self.failure = error
        return self.total

    def close(self) -> None:
        """Write out what is held, also after a failure, as the destructor of the stream does, and close."""
        if not self._open or not self._is_usable():
            return
        self._open = False
        try:
            self._buffer.flush()
        except OSError as error:
            self.failure = self.failure or error
        self._caller.perform(Close(self._fd))

    def _is_usable(self) -> bool:
        return self._open and current() is self._caller


class ArchiveWriter:
    """``torch._C.PyTorchFileWriter`` with a path, for a rank."""

    def __init__(self, writer: Any, sink: Sink) -> None:
        self._writer = writer
        self._sink = sink
        self._start = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def write_record(self, *arguments: Any) -> None:
        """Write a record. Raises RuntimeError, as C++ does, when the file cannot be written."""
        self._start = self._sink.total
        self._writer.write_record(*arguments)
        self._raise()

    def write_record_metadata(self, *arguments: Any) -> None:
        """Leave room for a record. Raises RuntimeError as ``write_record`` does."""
        self._start = self._sink.total
        self._writer.write_record_metadata(*arguments)
        self._raise()

    def write_end_of_file(self) -> None:
        """End the archive and close the file. Raises RuntimeError when it cannot be written, or could not before."""
        failed = self._sink.failure is not None
        self._writer.write_end_of_file()
        if isinstance(self._sink.failure, Exception | None):
            self._sink.close()
        if failed and isinstance(self._sink.failure, OSError):
            place = f"[enforce fail at inline_container.cc] . unexpected pos {self._sink.total} vs {self._start}"
            raise RuntimeError(place) from self._sink.failure
        self._raise()

    def _raise(self) -> None:
        failure = self._sink.failure
        if isinstance(failure, OSError):
            raise RuntimeError("basic_ios::clear: iostream error") from failure
        if failure is not None:
            raise failure


def file_writer(caller: Caller, name_or_buffer: Any, *arguments: Any, **keywords: Any) -> Any:
    """In place of ``torch._C.PyTorchFileWriter``."""
    make = original_of(sys.modules["torch._C"].PyTorchFileWriter)
    if not isinstance(name_or_buffer, str | bytes | os.PathLike):
        return make(name_or_buffer, *arguments, **keywords)
    where, at = place(caller, name_or_buffer)
    if where is None:
        refuse_call(caller, "torch.save", name_or_buffer)
    try:
        fd = open_at(caller, where, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666, at, name_or_buffer)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            parent = os.path.dirname(os.fsdecode(name_or_buffer))
            raise RuntimeError(f"Parent directory {parent} does not exist.") from error
        text = f"[enforce fail at inline_container.cc] . open file failed with strerror: {error.strerror}"
        raise RuntimeError(text) from error
    sink = Sink(caller, fd)
    return ArchiveWriter(make(sink, *arguments, **keywords), sink)


def load(caller: Caller, f: Any, *arguments: Any, mmap: bool | None = None, **keywords: Any) -> Any:
    """As ``torch.load``, which must not map a simulated file into memory."""
    original = original_of(sys.modules["torch.serialization"].load)
    mapped = _maps_by_default() if mmap is None else mmap
    if mapped and isinstance(f, str | os.PathLike) and place(caller, f)[0] is not None:
        refuse_call(caller, "torch.load with mmap=True", f)
    return original(f, *arguments, mmap=mmap, **keywords)


def should_read_directly(caller: Caller, f: Any) -> bool:
    """As torch asks before C reads or writes a file's descriptor (the format before 1.6): not that of a simulated one.

    Torch then calls the file's own methods, so small pieces are buffered that C would write one by one.
    """
    if is_simulated(f):
        return False
    return bool(original_of(sys.modules["torch.serialization"]._should_read_directly)(f))


def from_file(caller: Caller, filename: Any, *arguments: Any, **keywords: Any) -> Any:
    """As ``torch.from_file``, which must not map a simulated file into memory."""
    if place(caller, filename)[0] is not None:
        refuse_call(caller, "torch.from_file", filename)
    return original_of(sys.modules["torch"].from_file)(outside(caller, filename), *arguments, **keywords)


def _maps_by_default() -> bool:
    config = sys.modules.get("torch.utils.serialization.config")
    return bool(config is not None and config.load.mmap)


FUNCTIONS: Final[dict[str, Simulated]] = {
    "torch.serialization:load": load,
    "torch.serialization:_should_read_directly": should_read_directly,
    "torch:from_file": from_file,
}

CLASSES: Final[dict[str, Simulated]] = {"torch._C:PyTorchFileWriter": file_writer}
