"""``torch``: its zip archives, which C++ writes and reads, and what maps files into memory.

``torch.save(obj, path)`` hands the path to ``torch._C.PyTorchFileWriter``. Held as system calls (torch 2.13, strace),
that does stat of the parent directory, open with O_WRONLY | O_CREAT | O_TRUNC, the writes of a ``std::filebuf``, and
close. Reproduced here with the writer over a Python object, and these differences:

- there is no stat: a missing parent shows when the open fails, with the message that the stat would have caused;
- the records in the archive lie under ``archive/``, not under the file's name without suffix, as always when torch
  writes to a Python object; ``torch.load`` does not mind.

No operation may be done while C++ calls back into Python: pybind11 keeps a stack of its calls for each thread, and
when one rank goes on inside such a call while another one is inside its own, the process is aborted
(``loader_life_support``). So the writer fills a sink, which is emptied after each of its calls, with the same writes in
the same order; and the reader gets the whole content, read at once after torch's look at the first bytes, where
CPython's buffered file would be read piece by piece.

``torch.load(path)`` opens the path in Python; only ``mmap=True`` goes past it, and is refused. What C++ opens itself
(``torch.jit.save``, ``torch.UntypedStorage.from_file``) is not adapted: it fails, since the root is on no real disk.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable
from typing import Any, Final

from simulator.boundary.caller import Caller
from simulator.boundary.calls import Simulated, refuse_call
from simulator.boundary.descriptors import open_at
from simulator.boundary.dispatch import original_of
from simulator.boundary.files import open_path
from simulator.boundary.paths import outside, place
from simulator.boundary.raw_file import is_simulated
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


def file_writer(caller: Caller, name_or_buffer: Any, *arguments: Any, **keywords: Any) -> Any:
    """In place of ``torch._C.PyTorchFileWriter``."""
    make = original_of(sys.modules["torch._C"].PyTorchFileWriter)
    if type(name_or_buffer) is io.BytesIO:
        return make(name_or_buffer, *arguments, **keywords)
    sink = Sink()
    if not isinstance(name_or_buffer, str | bytes | os.PathLike):
        return ArchiveWriter(make(sink, *arguments, **keywords), sink, name_or_buffer, owned=False)
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
    return ArchiveWriter(make(sink, *arguments, **keywords), sink, ArchiveFile(caller, fd), owned=True)


def file_reader(caller: Caller, name_or_buffer: Any, *arguments: Any, **keywords: Any) -> Any:
    """In place of ``torch._C.PyTorchFileReader``."""
    make = original_of(sys.modules["torch._C"].PyTorchFileReader)
    if isinstance(name_or_buffer, str | bytes | os.PathLike):
        if place(caller, name_or_buffer)[0] is None:
            return make(outside(caller, name_or_buffer), *arguments, **keywords)
        with open_path(caller, name_or_buffer, "rb") as file:
            return make(_content_of(file), *arguments, **keywords)
    if type(name_or_buffer) is io.BytesIO:
        return make(name_or_buffer, *arguments, **keywords)
    return make(_content_of(name_or_buffer), *arguments, **keywords)


def _content_of(file: Any) -> io.BytesIO:
    """All that a file holds, in memory, at the file's position."""
    position = file.tell()
    file.seek(0)
    content = io.BytesIO(file.read())
    file.seek(position)
    content.seek(position)
    return content


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

CLASSES: Final[dict[str, Simulated]] = {
    "torch._C:PyTorchFileWriter": file_writer,
    "torch._C:PyTorchFileReader": file_reader,
}
