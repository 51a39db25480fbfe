"""From what code passes as a path to the vocabulary's relative paths, and back.

A path belongs to the simulation when it lies below the caller's root, as written or after the current directory has
been put before it. Components ``.`` and ``..`` and symbolic links below the root are left to the file system, since
only it knows what they mean; a path that climbs above the root by its ``..`` lies outside.

So does one in a directory for temporary files, which each node has for itself. What really exists in such a directory
is real, with all below it: it can be read, as anything outside, and not be written.
"""

from __future__ import annotations

import errno
import os
from os import fsdecode, fspath
from pathlib import PosixPath
from posixpath import normpath
from typing import Any, Final, TypeAlias

from simulator.boundary.caller import Caller
from simulator.filesystems.interface import FIRST_DESCRIPTOR, SCRATCH_DIRECTORIES
from simulator.originals import OS

WRITABLE_OUTSIDE: Final = frozenset({"/dev/null", "/dev/tty", "/dev/stdout", "/dev/stderr", "/dev/full", "/dev/zero"})
"""What a rank may open for writing outside the root: nothing stays behind there."""

_LARGEST_TABLE = 1 << 16
_known: dict[str, dict[str, str]] = {}
"""For each root, the relative path of every absolute path below it that was met: schedules repeat their paths."""


Place: TypeAlias = tuple[str | None, int | None]
"""A path relative to the root or to a directory descriptor, or an absolute one in a scratch; and that descriptor.

(None, None) for outside.
"""


def place(caller: Caller, path: Any, dir_fd: Any = None) -> Place:
    """Where ``path`` is: (relative path, directory descriptor or None), or (None, None) for outside the simulation.

    What lies in a scratch stays an absolute path.

    Raises what the functions of ``os`` raise for a path that cannot be one: TypeError, ValueError for an embedded
    null byte, FileNotFoundError for the empty path.
    """
    kind = type(path)
    text = path if kind is str else str(path) if kind is PosixPath else as_text(path)
    if dir_fd is not None:
        return _place_at(caller, text, dir_fd)
    table = _known.get(caller.root)
    if table is not None:
        relative = table.get(text)
        if relative is not None:
            return relative, None
    return _resolve(caller, text, path), None


def target(caller: Caller, path: Any, dir_fd: Any = None) -> tuple[str | int | None, int | None]:
    """As ``place``, for the functions that take a descriptor in place of a path."""
    if isinstance(path, int):
        if dir_fd is not None:
            raise ValueError("can't specify dir_fd without matching path")
        return (path, None) if path >= FIRST_DESCRIPTOR else (None, None)
    return place(caller, path, dir_fd)


def as_text(path: Any) -> str:
    """What the path is as a string, undecodable bytes as surrogate escapes."""
    path = fspath(path)
    return fsdecode(path) if isinstance(path, bytes) else path


def outside(caller: Caller, path: Any, dir_fd: Any = None) -> Any:
    """A path outside the simulation as the real operating system needs it: the rank's current directory applied."""
    if isinstance(path, int) or dir_fd is not None:
        return path
    path = fspath(path)
    if isinstance(path, bytes):
        return path if path.startswith(b"/") else os.fsencode(caller.cwd) + b"/" + path
    return path if path.startswith("/") else caller.cwd + "/" + path


def may_be_written(caller: Caller, path: Any) -> bool:
    """Whether a rank may write a path outside the root: devices that keep nothing, and compiled modules.

    Bytecode is written by the import system (pytest's goes through ``os``), not by the code under test.
    """
    text = as_text(outside(caller, path))
    return text in WRITABLE_OUTSIDE or is_bytecode(text)


def is_bytecode(text: str) -> bool:
    """Whether a path is a compiled module, a temporary name of one, or the directory of such."""
    return text.endswith("/__pycache__") or ("/__pycache__/" in text and ".pyc" in text)


def is_below(root: str, path: str) -> bool:
    """Whether a path that is absolute and normal lies at or below ``root``."""
    return path == root or path.startswith(root + "/")


def _place_at(caller: Caller, text: str, dir_fd: Any) -> Place:
    if not isinstance(dir_fd, int):
        raise TypeError(f"argument should be integer or None, not {type(dir_fd).__name__}")
    if text.startswith("/"):
        return place(caller, text)
    _check(text, text)
    return (text, dir_fd) if dir_fd >= FIRST_DESCRIPTOR else (None, None)


def _check(text: str, path: Any) -> None:
    if "\0" in text:
        raise ValueError("embedded null byte")
    if not text:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def _resolve(caller: Caller, text: str, path: Any) -> str | None:
    _check(text, path)
    root = caller.root
    whole = text if text.startswith("/") else f"{caller.cwd}/{text}"
    if not is_below(root, whole):
        whole = normpath(whole)
        if whole.startswith("//"):
            whole = whole[1:]
        if not is_below(root, whole):
            return _in_scratch(whole)
    relative = whole[len(root) + 1 :]
    if "//" in relative or relative.startswith("/"):
        relative = "/".join(part for part in relative.split("/") if part) + ("/" if relative.endswith("/") else "")
    if ".." in relative and _climbs(relative):
        whole = normpath(whole)
        if not is_below(root, whole):
            return _in_scratch(whole)
        relative = whole[len(root) + 1 :]
    if text.startswith("/"):
        _remember(root, text, relative)
    return relative


def _in_scratch(whole: str) -> str | None:
    """The path itself where it lies in a directory for temporary files, and nothing real is there; else None."""
    for directory in SCRATCH_DIRECTORIES:
        if is_below(directory, whole):
            first = whole[len(directory) + 1 :].partition("/")[0]
            if not first or not _exists(f"{directory}/{first}"):
                return whole
    return None


def _exists(path: str) -> bool:
    try:
        OS["lstat"](path)
    except OSError:
        return False
    return True


def _climbs(relative: str) -> bool:
    depth = 0
    for part in relative.split("/"):
        if part == "..":
            depth -= 1
            if depth < 0:
                return True
        elif part not in ("", "."):
            depth += 1
    return False


def _remember(root: str, text: str, relative: str) -> None:
    table = _known.setdefault(root, {})
    if len(table) >= _LARGEST_TABLE or len(_known) > 16:
        _known.clear()
        table = _known.setdefault(root, {})
    table[text] = relative
