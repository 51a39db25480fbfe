"""Functions of ``os`` on descriptors: open, close, read, write, seek, truncate, fsync, dup and what is asked of them.

Descriptors below 2**30 are the real ones that the rank got by reading outside the root, and the standard streams:
they are passed through. A rank has none of the real descriptors that the tool itself has open.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from operator import index
from stat import S_ISFIFO
from typing import Any, Final

from simulator.boundary.caller import Caller
from simulator.boundary.calls import Simulated, act, error_of, refuse_call, require_open
from simulator.boundary.paths import may_be_written, outside, place, target
from simulator.boundary.printing import kept
from simulator.filesystems.interface import FIRST_DESCRIPTOR
from simulator.operations import Close, Dup, Extent, Fsync, Open, Read, Seek, Stat, Truncate, Write
from simulator.originals import OS

CHANGES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
"""Flags with which open(2) can change something."""

MOST_CLOSED: Final = 1024

_read, _write, _close, _lseek = OS["read"], OS["write"], OS["close"], OS["lseek"]


def open_descriptor(caller: Caller, path: Any, flags: int, mode: int = 0o777, *, dir_fd: Any = None) -> int:
    """As ``os.open``."""
    where, at = place(caller, path, dir_fd)
    if where is None:
        path = outside(caller, path, dir_fd)
        if flags & CHANGES and not may_be_written(caller, path):
            refuse_call(caller, "os.open", path, flags)
        real: int = OS["open"](path, flags, mode, dir_fd=dir_fd)
        return real
    return int(open_at(caller, where, flags, mode, at, path))


def open_at(caller: Caller, where: str, flags: int, mode: int, at: int | None, path: Any) -> int:
    """Open a path of the simulation; O_CLOEXEC says nothing there, and the mode nothing without O_CREAT.

    To open a pipe is refused: nobody would wait for its other end.
    """
    permissions = mode & ~caller.umask if flags & os.O_CREAT else 0
    try:
        descriptor: int = act(caller, Open(where, flags & ~os.O_CLOEXEC, permissions, at), path)
    except OSError as error:
        if error.errno == errno.ENXIO and S_ISFIFO(act(caller, Stat(where, True, at), path).mode):
            refuse_call(caller, "open of a named pipe", path)
        raise
    return descriptor


def close(caller: Caller, fd: int) -> None:
    """As ``os.close``."""
    if fd < FIRST_DESCRIPTOR:
        _close(fd)
    else:
        act(caller, Close(fd))


def closerange(caller: Caller, fd_low: int, fd_high: int) -> None:
    """As ``os.closerange``. The real descriptors are not the rank's, so they stay open."""
    first = max(fd_low, FIRST_DESCRIPTOR)
    if fd_high - first > MOST_CLOSED:
        refuse_call(caller, "os.closerange", fd_low, fd_high)
    for fd in range(first, fd_high):
        try:
            act(caller, Close(fd))
        except OSError:
            continue


def read(caller: Caller, fd: int, length: int) -> bytes:
    """As ``os.read``."""
    if length < 0:
        raise error_of(errno.EINVAL)
    data: bytes = _read(fd, length) if fd < FIRST_DESCRIPTOR else act(caller, Read(fd, length))
    return data


def pread(caller: Caller, fd: int, length: int, offset: int) -> bytes:
    """As ``os.pread``."""
    if length < 0:
        raise error_of(errno.EINVAL)
    if fd < FIRST_DESCRIPTOR:
        real: bytes = OS["pread"](fd, length, offset)
        return real
    data: bytes = act(caller, Read(fd, length, offset))
    return data


def readv(caller: Caller, fd: int, buffers: Sequence[Any]) -> int:
    """As ``os.readv``."""
    views = [memoryview(buffer).cast("B") for buffer in buffers]
    return scatter(read(caller, fd, sum(map(len, views))), views)


def preadv(caller: Caller, fd: int, buffers: Sequence[Any], offset: int, flags: int = 0) -> int:
    """As ``os.preadv``; the flags say nothing about a file in memory."""
    views = [memoryview(buffer).cast("B") for buffer in buffers]
    return scatter(pread(caller, fd, sum(map(len, views)), offset), views)


def write(caller: Caller, fd: int, data: Any) -> int:
    """As ``os.write``; an ``Extent`` writes size without bytes."""
    if fd < FIRST_DESCRIPTOR:
        return len(data) if kept(fd, data) else int(_write(fd, data))
    return int(act(caller, Write(fd, content_of(data))))


def pwrite(caller: Caller, fd: int, data: Any, offset: int) -> int:
    """As ``os.pwrite``; an ``Extent`` writes size without bytes."""
    if fd < FIRST_DESCRIPTOR:
        return int(OS["pwrite"](fd, data, offset))
    return int(act(caller, Write(fd, content_of(data), offset)))


def writev(caller: Caller, fd: int, buffers: Sequence[Any]) -> int:
    """As ``os.writev``."""
    return write(caller, fd, b"".join(map(memoryview, buffers)))


def pwritev(caller: Caller, fd: int, buffers: Sequence[Any], offset: int, flags: int = 0) -> int:
    """As ``os.pwritev``; of the flags only RWF_APPEND would say something, and it is refused."""
    if flags & getattr(os, "RWF_APPEND", 0):
        refuse_call(caller, "os.pwritev", fd, flags)
    return pwrite(caller, fd, b"".join(map(memoryview, buffers)), offset)


def lseek(caller: Caller, fd: int, position: int, whence: int) -> int:
    """As ``os.lseek``."""
    if fd < FIRST_DESCRIPTOR:
        return int(_lseek(fd, position, whence))
    return int(act(caller, Seek(fd, index(position), whence)))


def truncate(caller: Caller, path: Any, length: int) -> None:
    """As ``os.truncate``."""
    where, _ = target(caller, path)
    if where is None:
        refuse_call(caller, "os.truncate", path, length)
    act(caller, Truncate(where, index(length)), None if isinstance(path, int) else path)


def ftruncate(caller: Caller, fd: int, length: int) -> None:
    """As ``os.ftruncate``."""
    if fd < FIRST_DESCRIPTOR:
        OS["ftruncate"](fd, length)
    else:
        act(caller, Truncate(fd, index(length)))


def fsync(caller: Caller, fd: Any) -> None:
    """As ``os.fsync``: takes a descriptor or what has a ``fileno``."""
    number = descriptor_of(fd)
    if number < FIRST_DESCRIPTOR:
        OS["fsync"](number)
    else:
        act(caller, Fsync(number))


def fdatasync(caller: Caller, fd: Any) -> None:
    """As ``os.fdatasync``."""
    number = descriptor_of(fd)
    if number < FIRST_DESCRIPTOR:
        OS["fdatasync"](number)
    else:
        act(caller, Fsync(number, True))


def sync(caller: Caller) -> None:
    """Flushing every file system of the machine has no operation yet: an escape."""
    refuse_call(caller, "os.sync")


def dup(caller: Caller, fd: int) -> int:
    """As ``os.dup``."""
    return int(OS["dup"](fd) if fd < FIRST_DESCRIPTOR else act(caller, Dup(fd)))


def dup2(caller: Caller, fd: int, fd2: int, inheritable: bool = True) -> int:
    """A simulated file in place of a descriptor of one's choice has no operation yet: an escape."""
    if fd == fd2 and fd >= FIRST_DESCRIPTOR:
        require_open(caller, fd)
        return fd
    return refuse_call(caller, "os.dup2", fd, fd2)


def posix_fallocate(caller: Caller, fd: int, offset: int, length: int) -> None:
    """As ``os.posix_fallocate``: the file becomes at least ``offset + length`` long."""
    if fd < FIRST_DESCRIPTOR:
        OS["posix_fallocate"](fd, offset, length)
        return
    if offset < 0 or length <= 0:
        raise error_of(errno.EINVAL)
    if act(caller, Stat(fd)).size < offset + length:
        act(caller, Truncate(fd, offset + length))


def descriptor_of(fd: Any) -> int:
    """The descriptor that an object is or has. Raises TypeError."""
    if isinstance(fd, int):
        return fd
    if not hasattr(fd, "fileno"):
        raise TypeError("argument must be an int, or have a fileno() method.")
    number: int = fd.fileno()
    return number


def content_of(data: Any) -> bytes | Extent:
    """What is written, as an operation holds it. Raises TypeError for what is not bytes-like."""
    if type(data) is bytes or type(data) is Extent:
        return data
    return bytes(memoryview(data))


def scatter(data: bytes, views: Sequence[memoryview]) -> int:
    """Fill the buffers one after the other; gives how many bytes there were."""
    start = 0
    for view in views:
        piece = data[start : start + len(view)]
        view[: len(piece)] = piece
        start += len(piece)
    return len(data)


FUNCTIONS: Final[dict[str, Simulated]] = {
    "os:open": open_descriptor,
    "os:close": close,
    "os:closerange": closerange,
    "os:read": read,
    "os:pread": pread,
    "os:readv": readv,
    "os:preadv": preadv,
    "os:write": write,
    "os:pwrite": pwrite,
    "os:writev": writev,
    "os:pwritev": pwritev,
    "os:lseek": lseek,
    "os:truncate": truncate,
    "os:ftruncate": ftruncate,
    "os:fsync": fsync,
    "os:fdatasync": fdatasync,
    "os:sync": sync,
    "os:dup": dup,
    "os:dup2": dup2,
    "os:posix_fallocate": posix_fallocate,
}
