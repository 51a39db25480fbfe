"""Which held calls are about the watched directory, and what operations they are."""

from __future__ import annotations

import fcntl
import os
import posixpath
import socket
import stat
import struct
import sys
from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from simulator.interposition import arguments
from simulator.interposition.listener import Held
from simulator.interposition.system_calls import CLONING, FICLONE, FLAGGING, Signature
from simulator.interposition.threads import process_of
from simulator.operations import (
    AccessCheck,
    Chmod,
    Chown,
    Close,
    Extent,
    Fsync,
    Link,
    Lock,
    Mkdir,
    Mkfifo,
    Open,
    Operation,
    Readdir,
    Readlink,
    Rename,
    Rmdir,
    Setxattr,
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
_WORD: Final = 1 << 64


_MOST_MOVED: Final = 0x7FFFF000
"""So many bytes at most move in one call: MAX_RW_COUNT of linux/fs.h."""
_REGULAR: Final = frozenset({0, stat.S_IFREG})
"""The kinds of mknod(2) that make an empty file."""
_WRITABLE: Final = 2
"""PROT_WRITE."""
_LONGEST_ADDRESS: Final = 110
"""struct sockaddr_un, unix(7)."""
_LONGEST_BATCH: Final = 1024


Numbering: TypeAlias = Callable[[int, int], int]
"""The simulated number of a process's descriptor."""


class Watched(msgspec.Struct, frozen=True):
    """A held call that is about the watched directory."""

    operation: Operation


class Unseen(msgspec.Struct, frozen=True):
    """A held call after which the watched directory changes without further calls: ``words`` and a path in it."""

    words: str
    path: str


class Watch:
    """The watched directory, under the name it was given and under its real one.

    A look at it through some other symbolic link is not recognised: looking every path up would cost more than the
    program itself. A change is.
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

    def recognise(self, held: Held, signature: Signature, number_of: Numbering) -> Watched | Unseen | None:
        """What a held call is, None where it is nobody's business."""
        name = signature.name
        if name == "bind":
            return self._socket(held)
        if name == "io_submit":
            return self._batch(held)
        if signature.paths and not (name == "utimensat" and not held.arguments[1]):
            return self._by_path(held, signature)
        # futimens(3) is utimensat without a path.
        places = signature.descriptors or ((0,) if name == "utimensat" else ())
        if not places:
            return None
        descriptor = arguments.descriptor_of(held.arguments[places[0]])
        inside = self._opened(held, descriptor)
        if inside is None:
            return None
        if name == "mmap":
            return Unseen("writes through a mapping (mmap)", inside) if held.arguments[2] & _WRITABLE else None
        if name == "ioctl" and held.arguments[1] & 0xFFFFFFFF not in CLONING | FLAGGING:
            return Unseen("what ioctl changes", inside)
        process = process_of(held.thread) or held.thread
        operation = _by_descriptor(name, held, number_of(process, descriptor), inside)
        return None if operation is None else Watched(operation)

    def _opened(self, held: Held, descriptor: int) -> str | None:
        path = arguments.opened_on(held.thread, descriptor)
        return None if path is None else self.relative(path)

    def _by_path(self, held: Held, signature: Signature) -> Watched | Unseen | None:
        found: list[bytes] = []
        for path in signature.paths:
            directory = None if path.directory is None else arguments.descriptor_of(held.arguments[path.directory])
            named = arguments.named(held.thread, held.arguments[path.argument], directory)
            if named is None:
                return None
            found.append(named)
        inside = [self.relative(path) for path in found]
        if all(path is None for path in inside):
            if not _changes(signature, held):
                return None
            inside = [self.relative(_resolved(path)) for path in found]
            if all(path is None for path in inside):
                return None
        paths = [os.fsdecode(path) if known is None else known for path, known in zip(found, inside, strict=True)]
        if signature.name in _UNSEEN:
            return Unseen(f"what {signature.name} changes", paths[0])
        operation = _operation(signature.name, held, paths)
        return None if operation is None else Watched(operation)

    def _socket(self, held: Held) -> Watched | None:
        size = min(held.arguments[2] & 0xFFFFFFFF, _LONGEST_ADDRESS)
        address = arguments.bytes_at(held.thread, held.arguments[1], size) if size > 2 else None
        if address is None or int.from_bytes(address[:2], sys.byteorder) != socket.AF_UNIX or not address[2]:
            return None
        path = address[2:].partition(b"\0")[0]
        if not path.startswith(b"/"):
            path = (arguments.named(held.thread, 0, None) or b"") + b"/" + path
        inside = self.relative(path)
        return None if inside is None else Watched(Mkfifo(inside, 0o777))

    def _batch(self, held: Held) -> Unseen | None:
        """The kernel's own asynchronous input and output, io_submit(2): what is to be written to the directory."""
        count = min(held.arguments[1], _LONGEST_BATCH)
        pointers = arguments.bytes_at(held.thread, held.arguments[2], 8 * count) or b""
        for (pointer,) in struct.iter_unpack("=Q", pointers):
            # struct iocb of linux/aio_abi.h.
            request = arguments.bytes_at(held.thread, pointer, 24)
            if request is None:
                continue
            kind, descriptor = struct.unpack_from("=H2xI", request, 16)
            inside = self._opened(held, descriptor) if kind in _WRITING else None
            if inside is not None:
                return Unseen("asynchronous writes (io_submit)", inside)
        return None


_WRITING: Final = frozenset({1, 2, 3, 8})
"""IOCB_CMD_PWRITE, FSYNC, FDSYNC and PWRITEV."""
_UNSEEN: Final = frozenset({"mount", "umount2", "move_mount", "acct", "swapon"})
_LOOKS: Final = frozenset(
    {
        "readlink", "readlinkat", "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2",
    }
)  # fmt: skip


def _changes(signature: Signature, held: Held) -> bool:
    """Whether a call by path changes what is there."""
    if signature.name in ("open", "openat", "openat2"):
        flags, _ = _how_to_open(signature.name, held)
        return bool(flags & (os.O_CREAT | os.O_TRUNC | os.O_ACCMODE)) and not flags & os.O_PATH
    return signature.name not in _LOOKS


def _resolved(path: bytes) -> bytes:
    """The path with the symbolic links of its directory followed."""
    directory, name = posixpath.split(posixpath.normpath(path))
    return posixpath.join(os.path.realpath(directory), name)


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
        case "mknod" | "mknodat":
            mode = at[1 if name == "mknod" else 2]
            if stat.S_IFMT(mode) in _REGULAR:
                return Open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode & 0o7777)
            return Mkfifo(path, mode & 0o7777)
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
        case _:
            return _attribute(name, held, path)


def _attribute(name: str, held: Held, path: str) -> Operation | None:
    """The operation of a call that changes attributes of what a path names."""
    at = held.arguments
    match name:
        case "chmod":
            return Chmod(path, at[1] & 0o7777)
        case "fchmodat" | "fchmodat2":
            return Chmod(path, at[2] & 0o7777)
        case "chown" | "lchown":
            return Chown(path, _identity(at[1]), _identity(at[2]), name == "chown")
        case "fchownat":
            return Chown(path, _identity(at[2]), _identity(at[3]), not at[4] & _NO_FOLLOW)
        case "setxattr" | "removexattr" | "lsetxattr" | "lremovexattr":
            return Setxattr(path, _text(held, 1), not name.startswith("l"))
        case "setxattrat" | "removexattrat":
            return Setxattr(path, _text(held, 3), not at[2] & _NO_FOLLOW)
        case "file_setattr":
            return Setxattr(path, "flags", not at[4] & _NO_FOLLOW)
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
            return Write(number, _so_many(at[2]))
        case "pwrite64":
            return Write(number, _so_many(at[2]), _signed(at[3]))
        case "writev" | "pwritev" | "pwritev2":
            return Write(number, _so_many(_gathered(held)))
        case "sendfile":
            return Write(number, _so_many(_to_be_read(held, 1, 2, at[3])))
        case "copy_file_range" | "splice":
            return Write(number, _so_many(_to_be_read(held, 0, 1, at[4])))
        case "ioctl" if at[1] & 0xFFFFFFFF in CLONING:
            return _clone(held, number)
        case "ioctl":
            return Setxattr(number, "flags")
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
        case "fchown":
            return Chown(number, _identity(at[1]), _identity(at[2]))
        case "fsetxattr" | "fremovexattr":
            return Setxattr(number, _text(held, 1))
        case "utimensat":
            return Utime(number)
        case "close":
            return Close(number)
        case "flock":
            return Lock(number, at[1])
        case "fcntl":
            return _record_lock(held, number)
    return None


def _record_lock(held: Held, number: int) -> Operation | None:
    """A lock of fcntl(2), taken for one of the whole file."""
    how = arguments.bytes_at(held.thread, held.arguments[2], 2)
    kind = None if how is None else _LOCKS.get(int.from_bytes(how, sys.byteorder))
    if kind is None:
        return None
    waits = held.arguments[1] & 0xFFFFFFFF in _WAITING
    return Lock(number, kind if waits or kind == fcntl.LOCK_UN else kind | fcntl.LOCK_NB)


_LOCKS: Final = {fcntl.F_RDLCK: fcntl.LOCK_SH, fcntl.F_WRLCK: fcntl.LOCK_EX, fcntl.F_UNLCK: fcntl.LOCK_UN}
_WAITING: Final = frozenset({7, 38})
"""F_SETLKW and F_OFD_SETLKW."""


def _so_many(count: int) -> Extent:
    return Extent(min(count, _MOST_MOVED) if count < _WORD >> 1 else 0)


def _to_be_read(held: Held, source: int, offset: int, count: int) -> int:
    """The bytes that a call moves from a file of the caller's to another: no more than are left of a regular one.

    ``source`` and ``offset`` are the arguments: the descriptor, and where it is pointed to where to begin.
    """
    place = f"/proc/{held.thread}/%s/{arguments.descriptor_of(held.arguments[source])}"
    try:
        found = os.stat(place % "fd")
        if not stat.S_ISREG(found.st_mode):
            return count
        if held.arguments[offset]:
            given = arguments.bytes_at(held.thread, held.arguments[offset], 8)
            at = 0 if given is None else int.from_bytes(given, sys.byteorder)
        else:
            with open(place % "fdinfo", encoding="ascii") as file:
                at = int(file.readline().split()[1])
    except OSError:
        return 0
    return min(count, max(0, found.st_size - at))


def _clone(held: Held, number: int) -> Operation | None:
    """A file's blocks shared by another one: ioctl_ficlone(2)."""
    if held.arguments[1] & 0xFFFFFFFF == FICLONE:
        source, size, to = arguments.descriptor_of(held.arguments[2]), 0, 0
    else:
        # struct file_clone_range.
        given = arguments.bytes_at(held.thread, held.arguments[2], 32)
        if given is None:
            return None
        source, _, size, to = struct.unpack("=q3Q", given)
    if not size:
        try:
            size = os.stat(f"/proc/{held.thread}/fd/{source}").st_size
        except OSError:
            size = 0
    return Write(number, Extent(min(size, _WORD >> 1)), to)


def _identity(argument: int) -> int:
    """A user or group as chown(2) takes it: -1 for the one that it is."""
    return arguments.descriptor_of(argument)


def _text(held: Held, argument: int) -> str:
    return os.fsdecode(arguments.text_at(held.thread, held.arguments[argument]) or b"")


def _how_to_open(name: str, held: Held) -> tuple[int, int]:
    at = held.arguments
    if name == "creat":
        return os.O_CREAT | os.O_WRONLY | os.O_TRUNC, at[1] & 0o7777
    if name == "openat2":
        how = arguments.bytes_at(held.thread, at[2], 16)
        flags, mode = struct.unpack("=QQ", how) if how is not None else (0, 0)
        return flags & 0xFFFFFFFF, mode & 0o7777
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
