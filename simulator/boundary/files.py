"""``open``: C's buffered and text files over a raw file of the rank, in the way that ``io.open`` builds them.

One deviation from CPython, so that an open is one operation and not four: no fstat, isatty or lseek follows it. Hence
the buffer has the default size, whatever block size the file system prefers.
"""

from __future__ import annotations

import errno
import io
import os
import warnings
from typing import Any, Final, NamedTuple

from simulator.boundary.caller import Caller
from simulator.boundary.calls import Simulated, refuse_call, require_open
from simulator.boundary.descriptors import open_at
from simulator.boundary.paths import may_be_written, outside, place
from simulator.boundary.raw_file import RawFile, made
from simulator.filesystems.interface import FIRST_DESCRIPTOR, DirectoryDescriptor
from simulator.operations import Close, Seek
from simulator.originals import FileIO, open_file

BUFFER_SIZE: Final = io.DEFAULT_BUFFER_SIZE


class Mode(NamedTuple):
    """A mode string, taken apart."""

    text: bool
    reading: bool
    writing: bool
    updating: bool
    appending: bool
    flags: int
    raw: str
    kind: Any
    """The buffered file."""


_modes: dict[str, Mode] = {}


def open_path(
    caller: Caller,
    file: Any,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Any = None,
) -> Any:
    """As ``open``."""
    parsed = _modes.get(mode) or mode_of(mode)
    where = None
    if opener is None and not isinstance(file, int):
        where, _ = place(caller, file)
        if where is None:
            if parsed.writing and not may_be_written(caller, file):
                refuse_call(caller, "open", file, mode)
            return open_file(outside(caller, file), mode, buffering, encoding, errors, newline, closefd)
    elif opener is None and file < FIRST_DESCRIPTOR:
        return open_file(file, mode, buffering, encoding, errors, newline, closefd)
    if parsed.text or buffering != -1 or encoding is not None or errors is not None or newline is not None:
        _check(parsed, buffering, encoding, errors, newline)
    if where is not None and not closefd:
        raise ValueError("Cannot use closefd=False with file name")
    name = file if isinstance(file, int) else os.fspath(file)
    if where is not None:
        fd = open_at(caller, where, parsed.flags, 0o666, None, file)
        if isinstance(fd, DirectoryDescriptor):
            caller.perform(Close(int(fd)))
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    elif opener is None:
        fd = file
        require_open(caller, fd)
    else:
        fd = _opened(opener, name, parsed.flags)
        if fd < FIRST_DESCRIPTOR:
            return open_file(fd, mode, buffering, encoding, errors, newline, closefd)
    untouched = where is not None and not parsed.appending
    reading = parsed.reading or parsed.updating
    raw = made(caller, fd, name, parsed.raw, reading, parsed.writing, closefd, untouched)
    if buffering < 0 and untouched and not parsed.text:
        return parsed.kind(raw, BUFFER_SIZE)
    try:
        if parsed.appending:
            caller.perform(Seek(fd, 0, os.SEEK_END))
        return _layered(raw, parsed, mode, buffering, encoding, errors, newline)
    except BaseException:
        raw.close()
        raise


def open_code(caller: Caller, path: Any) -> Any:
    """As ``io.open_code``."""
    return open_path(caller, path, "rb")


def open_raw(caller: Caller, file: Any, mode: str = "r", closefd: bool = True, opener: Any = None) -> Any:
    """As ``io.FileIO``."""
    binary = mode if "b" in mode else mode + "b"
    if isinstance(file, int) and opener is None and file < FIRST_DESCRIPTOR:
        return FileIO(file, mode, closefd)
    return open_path(caller, file, binary, 0, closefd=closefd, opener=opener)


def mode_of(mode: str) -> Mode:
    """Take a mode string apart. Raises TypeError or ValueError as ``open`` does."""
    letters = set(mode) if isinstance(mode, str) else set()
    kinds = letters & set("rwax")
    if letters - set("axrwb+t") or len(kinds) != 1 or len(mode) > len(letters) or letters >= set("bt"):
        open_file(os.devnull, mode).close()
        raise ValueError(f"invalid mode: {mode!r}")
    kind = kinds.pop()
    updating = "+" in letters
    access = os.O_RDWR if updating else os.O_RDONLY if kind == "r" else os.O_WRONLY
    extra = {"r": 0, "w": os.O_CREAT | os.O_TRUNC, "a": os.O_CREAT | os.O_APPEND, "x": os.O_CREAT | os.O_EXCL}[kind]
    raw = ("r" if kind == "w" and updating else kind) + "b" + ("+" if updating else "")
    writing = updating or kind != "r"
    buffered = io.BufferedRandom if updating else io.BufferedReader if kind == "r" else io.BufferedWriter
    parsed = Mode("b" not in letters, kind == "r", writing, updating, kind == "a", access | extra, raw, buffered)
    _modes[mode] = parsed
    return parsed


def _check(parsed: Mode, buffering: int, encoding: Any, errors: Any, newline: Any) -> None:
    if not isinstance(buffering, int):
        raise TypeError(f"{type(buffering).__name__!r} object cannot be interpreted as an integer")
    if parsed.text:
        return
    for name, value in (("encoding", encoding), ("errors", errors), ("newline", newline)):
        if value is not None:
            article = "an" if name in ("encoding", "errors") else "a"
            raise ValueError(f"binary mode doesn't take {article} {name} argument")


def _opened(opener: Any, name: Any, flags: int) -> int:
    fd = opener(name, flags | os.O_CLOEXEC)
    if not isinstance(fd, int):
        raise TypeError("expected integer from opener")
    if fd < 0:
        raise ValueError(f"opener returned {fd}")
    return fd


def _layered(
    raw: RawFile,
    parsed: Mode,
    mode: str,
    buffering: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
) -> Any:
    if buffering == 0:
        if parsed.text:
            raise ValueError("can't have unbuffered text I/O")  # the file is open, and made or truncated, by then
        return raw
    if buffering == 1 and not parsed.text:
        warnings.warn(
            "line buffering (buffering=1) isn't supported in binary mode, the default buffer size will be used",
            RuntimeWarning,
            stacklevel=4,
        )
    buffered = parsed.kind(raw, buffering if buffering > 1 else BUFFER_SIZE)
    if not parsed.text:
        return buffered
    wrapper = io.TextIOWrapper(buffered, encoding, errors, newline, buffering == 1)
    wrapper.mode = mode  # type: ignore[misc]
    return wrapper


FUNCTIONS: Final[dict[str, Simulated]] = {
    "builtins:open": open_path,
    "io:open": open_path,
    "io:open_code": open_code,
}

CLASSES: Final[dict[str, Simulated]] = {"io:FileIO": open_raw}
