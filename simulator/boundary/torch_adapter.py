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
from typing import Any, Final

from simulator.boundary.caller import Caller
from simulator.boundary.calls import Simulated, refuse_call
from simulator.boundary.descriptors import open_at
from simulator.boundary.dispatch import original_of
from simulator.boundary.files import open_path
from simulator.boundary.paths import outside, place
from simulator.boundary.raw_file import is_simulated
from simulator.boundary.torch_archives import ArchiveFile, ArchiveWriter, Sink


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
