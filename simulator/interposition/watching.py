"""Which held calls are about the watched directory, and what operations they are."""

from __future__ import annotations

import os
import posixpath
import struct
from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from simulator.interposition import arguments
from simulator.interposition.listener import Held
from simulator.interposition.system_calls import Signature
from simulator.interposition.threads import process_of
from simulator.operations import (
    AccessCheck,
    Chmod,
    Close,
    Extent,
    Fsync,
    Link,
    Lock,
    Mkdir,
    Open,
    Operation,
    Readdir,
    Readlink,
    Rename,
    Rmdir,
    Stat,
    Symlink,
    Truncate,
    Unlink,
    Utime,
    Write,
)

_REMOVE_DIRECTORY: Final = 0x200
_NO_FOLLOW: Final = 0x100
_FOLLOW: Final = 0x400
"""AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW and AT_SYMLINK_FOLLOW of fcntl.h."""
"""TIMER_ABSTIME of time.h."""
_WORD: Final = 1 << 64


Numbering: TypeAlias = Callable[[int, int], int]
"""The simulated number of a process's descriptor."""


class Watched(msgspec.Struct, frozen=True):
    """A held call that is about the watched directory. ``paths`` are the absolute ones that it names."""

    operation: Operation
    paths: tuple[bytes, ...] = ()


class Watch:
    """The watched directory, under the name it was given and under its real one.

    A call that comes to it through some other symbolic link is not recognised: looking every path up would cost more
    than the program itself.
    """

    def __init__(self, directory: str) -> None:
        given = os.path.abspath(directory)
        self.root = os.fsencode(os.path.realpath(given))
        self.names = tuple(dict.fromkeys([os.fsencode(given), self.root]))

    def relative(self, path: bytes) -> str | None:
        """A path relative to the watched directory; None where it is not in it."""
        path = posixpath.normpath(path)
        for name in self.names:
            if path == name:
                return ""
            if path.startswith(name + b"/"):
                return os.fsdecode(path[len(name) + 1 :])
        return None

    def recognise(self, held: Held, signature: Signature, number_of: Numbering) -> Watched | None:
        """What a held call is, None where it is nobody's business."""
        name = signature.name
        if signature.paths:
            return self._by_path(held, signature)
        if not signature.descriptors:
            return None
        descriptor = arguments.descriptor_of(held.arguments[signature.descriptors[0]])
        path = arguments.opened_on(held.thread, descriptor)
        inside = None if path is None else self.relative(path.removesuffix(b" (deleted)"))
        if inside is None:
            return None
        process = process_of(held.thread) or held.thread
        operation = _by_descriptor(name, held, number_of(process, descriptor), inside)
        return None if operation is None else Watched(operation)

    def _by_path(self, held: Held, signature: Signature) -> Watched | None:
        found: list[bytes] = []
        for path in signature.paths:
            directory = None if path.directory is None else arguments.descriptor_of(held.arguments[path.directory])
            named = arguments.named(held.thread, held.arguments[path.argument], directory)
            if named is None:
                return None
            found.append(named)
        inside = [self.relative(path) for path in found]
        if all(path is None for path in inside):
            return None
        named_paths = [os.fsdecode(path) if known is None else known for path, known in zip(found, inside, strict=True)]
        operation = _operation(signature.name, held, named_paths)
        return None if operation is None else Watched(operation, tuple(found))


def _operation(name: str, held: Held, paths: list[str]) -> Operation | None:
    """The operation of a call that names paths; None for one that is not scheduled."""
    at = held.arguments
    path = paths[0]
    match name:
        case "open" | "openat" | "creat" | "openat2":
            flags, mode = _how_to_open(name, held)
            return Open(path, flags, mode)
        case "rename" | "renameat" | "renameat2":
            return Rename(path, paths[1])
        case "mkdir" | "mkdirat":
            return Mkdir(path, at[1 if name == "mkdir" else 2] & 0o7777)
        case "rmdir":
            return Rmdir(path)
        case "unlink":
            return Unlink(path)
        case "unlinkat":
            return Rmdir(path) if at[2] & _REMOVE_DIRECTORY else Unlink(path)
        case "link":
            return Link(path, paths[1])
        case "linkat":
            return Link(path, paths[1], follow=bool(at[4] & _FOLLOW))
        case "symlink" | "symlinkat":
            return Symlink(os.fsdecode(arguments.text_at(held.thread, at[0]) or b""), path)
        case "readlink" | "readlinkat":
            return Readlink(path)
        case "stat" | "lstat":
            return Stat(path, name == "stat")
        case "newfstatat":
            return Stat(path, not at[3] & _NO_FOLLOW)
        case "statx":
            return Stat(path, not at[2] & _NO_FOLLOW)
        case "access":
            return AccessCheck(path, at[1] & 7)
        case "faccessat" | "faccessat2":
            return AccessCheck(path, at[2] & 7, follow=name == "faccessat" or not at[3] & _NO_FOLLOW)
        case "truncate":
            return Truncate(path, _signed(at[1]))
        case "chmod":
            return Chmod(path, at[1] & 0o7777)
        case "fchmodat" | "fchmodat2":
            return Chmod(path, at[2] & 0o7777)
        case "utime" | "utimes" | "futimesat":
            return Utime(path)
        case "utimensat":
            return Utime(path, follow=not at[3] & _NO_FOLLOW)
    return None


def _by_descriptor(name: str, held: Held, number: int, path: str) -> Operation | None:
    """The operation of a call on a descriptor in the watched directory; None for one that is not scheduled."""
    at = held.arguments
    match name:
        case "write":
            return Write(number, Extent(at[2]))
        case "pwrite64":
            return Write(number, Extent(at[2]), _signed(at[3]))
        case "writev" | "pwritev" | "pwritev2":
            return Write(number, Extent(_gathered(held)))
        case "sendfile":
            return Write(number, Extent(at[3]))
        case "fallocate":
            return Truncate(number, _signed(at[2]) + _signed(at[3]))
        case "ftruncate":
            return Truncate(number, _signed(at[1]))
        case "fsync" | "syncfs" | "sync_file_range":
            return Fsync(number)
        case "fdatasync":
            return Fsync(number, data_only=True)
        case "fstat":
            return Stat(number)
        case "getdents" | "getdents64":
            return Readdir(path)
        case "fchmod":
            return Chmod(number, at[1] & 0o7777)
        case "close":
            return Close(number)
        case "flock":
            return Lock(number, at[1])
    return None


def _how_to_open(name: str, held: Held) -> tuple[int, int]:
    at = held.arguments
    if name == "creat":
        return os.O_CREAT | os.O_WRONLY | os.O_TRUNC, at[1] & 0o7777
    if name == "openat2":
        how = arguments.bytes_at(held.thread, at[2], 16)
        flags, mode = struct.unpack("=QQ", how) if how is not None else (0, 0)
        return flags, mode
    first = 1 if name == "open" else 2
    flags = at[first] & 0xFFFFFFFF
    return flags, at[first + 1] & 0o7777 if flags & os.O_CREAT else 0o777


def _gathered(held: Held) -> int:
    """The bytes of a writev: the sum of the lengths of its parts."""
    count = min(held.arguments[2], 1024)
    parts = arguments.bytes_at(held.thread, held.arguments[1], 16 * count)
    return 0 if parts is None else sum(length for _, length in struct.iter_unpack("=QQ", parts))


def _signed(argument: int) -> int:
    return argument - _WORD if argument >= _WORD >> 1 else argument
