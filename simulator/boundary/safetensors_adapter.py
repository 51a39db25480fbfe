"""``safetensors``: its writer and its lazy reader, which are Rust.

What they do, held as system calls (strace, every minor version from 0.3.3 to 0.8.0):

- up to 0.7 ``serialize_file`` opens the target itself with O_WRONLY | O_CREAT | O_TRUNC, writes through a buffer of
  8 KiB, and closes; a rank that dies in between leaves a torn file;
- since 0.8 it creates ``.tmpXXXXXX`` beside the target (O_EXCL, mode 0600, which the file keeps), sets its length,
  writes through a buffer of 1 MiB, renames it over the target and closes; if something fails it unlinks the
  temporary file, but a rank that dies leaves it;
- ``safe_open`` opens, asks for the size, maps the file and closes. Data is read when a tensor is asked for, from the
  file as it is then. Here the descriptor stays open in place of the mapping, so a file that is unlinked or replaced
  stays readable as it would, and a file that is truncated meanwhile gives an error where a real process gets SIGBUS.
"""

from __future__ import annotations

import json
import os
import string
import sys
from collections.abc import Iterator
from typing import Any, Final

from simulator.boundary.caller import Caller
from simulator.boundary.calls import Simulated, refuse_call
from simulator.boundary.descriptors import open_at
from simulator.boundary.dispatch import original_of
from simulator.boundary.lazy_tensors import LazyTensors
from simulator.boundary.paths import outside, place
from simulator.boundary.randomness import entropy_of
from simulator.boundary.writing import BufWriter
from simulator.operations import Close, Open, Rename, Truncate, Unlink

_RUST: Final = "safetensors._safetensors_rust"
_LETTERS: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits
_TRIES: Final = 1 << 16


def serialize_file(caller: Caller, tensor_dict: Any, filename: Any, metadata: Any = None) -> None:
    """In place of ``safetensors.serialize_file``, which every ``save_file`` calls. Raises SafetensorError."""
    rust = sys.modules[_RUST]
    if not isinstance(filename, str | os.PathLike):
        raise TypeError(f"argument 'filename': {type(filename).__name__!r} object is not an instance of 'str'")
    where, _ = place(caller, filename)
    if where is None:
        refuse_call(caller, "safetensors.serialize_file", filename)
    content = bytes(rust.serialize(tensor_dict, metadata))
    write = _write_and_rename if writes_beside(rust.__version__) else _write_in_place
    try:
        write(caller, where, content)
    except OSError as error:
        raise rust.SafetensorError(f"Error while serializing: {_shown(error, rust.__version__)}") from error


def safe_open(caller: Caller, filename: Any, framework: str, device: Any = "cpu", *, backend: str = "mmap") -> Any:
    """In place of ``safetensors.safe_open``."""
    rust = sys.modules[_RUST]
    if not isinstance(filename, str | os.PathLike):
        raise TypeError(f"argument 'filename': {type(filename).__name__!r} object is not an instance of 'str'")
    where, _ = place(caller, filename)
    if where is None:
        options = {} if backend == "mmap" else {"backend": backend}
        return original_of(rust.safe_open)(outside(caller, filename), framework, device, **options)
    return LazyTensors(caller, rust, where, os.fspath(filename), framework, device)


def safe_open_handle(caller: Caller, f: Any, framework: str, device: Any = "cpu", **options: Any) -> Any:
    """In place of ``safetensors._safe_open_handle``, which opens the file of that name once more."""
    return safe_open(caller, f.name, framework, device, **options)


def writes_beside(version: str) -> bool:
    """Whether this version writes a temporary file beside the target and renames it."""
    major, minor = version.split(".")[:2]
    return (int(major), int(minor)) >= (0, 8)


def pieces_of(content: bytes) -> Iterator[bytes]:
    """The content as the writer hands it to its buffer: length of the header, header, and tensor by tensor."""
    start = 8 + int.from_bytes(content[:8], "little")
    yield content[:8]
    yield content[8:start]
    tensors = [entry["data_offsets"] for name, entry in json.loads(content[8:start]).items() if name != "__metadata__"]
    for first, last in sorted(tensors):
        yield content[start + first : start + last]


def _write_in_place(caller: Caller, where: str, content: bytes) -> None:
    fd = open_at(caller, where, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666, None, where)
    try:
        _fill(caller, fd, content, 1 << 13)
    except OSError:
        caller.perform(Close(fd))
        raise
    caller.perform(Close(fd))


def _write_and_rename(caller: Caller, where: str, content: bytes) -> None:
    temporary, fd = _temporary(caller, where)
    try:
        caller.perform(Truncate(fd, len(content)))
        _fill(caller, fd, content, 1 << 20)
        caller.perform(Rename(temporary, where))
    except OSError:
        _unlink_quietly(caller, temporary)
        caller.perform(Close(fd))
        raise
    caller.perform(Close(fd))


def _temporary(caller: Caller, where: str) -> tuple[str, int]:
    directory = where[: where.rstrip("/").rfind("/") + 1]
    while True:
        name = directory + ".tmp" + "".join(entropy_of(caller).choices(_LETTERS, k=6))
        try:
            fd: int = caller.perform(Open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600 & ~caller.umask))
        except FileExistsError:
            continue
        except OSError as error:
            error.filename = name if name.startswith("/") else f"{caller.root}/{name}"
            raise
        return name, fd


def _fill(caller: Caller, fd: int, content: bytes, capacity: int) -> None:
    buffer = BufWriter(caller, fd, capacity)
    for piece in pieces_of(content):
        buffer.write(piece)
    buffer.flush()


def _unlink_quietly(caller: Caller, path: str) -> None:
    try:
        caller.perform(Unlink(path))
    except OSError:
        return


def _shown(error: OSError, version: str) -> str:
    if int(version.split(".")[1]) < 6 and version.startswith("0."):
        return f"IoError(Os {{ code: {error.errno}, message: {error.strerror!r} }})"
    place_of = f' at path "{error.filename}"' if writes_beside(version) and error.filename else ""
    return f"I/O error: {error.strerror} (os error {error.errno}){place_of}"


FUNCTIONS: Final[dict[str, Simulated]] = {f"{_RUST}:serialize_file": serialize_file}

CLASSES: Final[dict[str, Simulated]] = {
    f"{_RUST}:safe_open": safe_open,
    f"{_RUST}:_safe_open_handle": safe_open_handle,
}
