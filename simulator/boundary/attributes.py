"""Functions of ``os`` that look at or change what an inode is: stat, access, chmod, chown, utime, statvfs, xattr."""

from __future__ import annotations

import errno
import math
import os
import sys
from operator import index
from typing import Any, Final

from simulator.boundary.caller import Caller
from simulator.boundary.calls import Simulated, act, error_of, refuse_call, require_open
from simulator.boundary.paths import outside, place, target
from simulator.boundary.stat_result import StatResult
from simulator.boundary.timestamps import plain
from simulator.filesystems.interface import FIRST_DESCRIPTOR
from simulator.operations import AccessCheck, Chmod, Chown, Stat, Statvfs, Utime
from simulator.originals import OS

_stat, _lstat, _fstat, _access = OS["stat"], OS["lstat"], OS["fstat"], OS["access"]
_BILLION: Final = 1_000_000_000

NAMES_IN_UTIME: Final = sys.version_info >= (3, 13)

IDENTITY: Final = 1
"""What the simulated file system calls itself (``f_fsid``), as it is device 1."""


def stat(caller: Caller, path: Any, *, dir_fd: Any = None, follow_symlinks: bool = True) -> Any:
    """As ``os.stat``."""
    where, at = target(caller, path, dir_fd)
    if where is None:
        return _stat(outside(caller, path, dir_fd), dir_fd=dir_fd, follow_symlinks=follow_symlinks)
    return StatResult(act(caller, Stat(where, bool(follow_symlinks), at), path), caller)


def lstat(caller: Caller, path: Any, *, dir_fd: Any = None) -> Any:
    """As ``os.lstat``."""
    where, at = place(caller, path, dir_fd)
    if where is None:
        return _lstat(outside(caller, path, dir_fd), dir_fd=dir_fd)
    return StatResult(act(caller, Stat(where, False, at), path), caller)


def fstat(caller: Caller, fd: Any) -> Any:
    """As ``os.fstat``."""
    if not isinstance(fd, int) or fd < FIRST_DESCRIPTOR:
        return _fstat(fd)
    return StatResult(act(caller, Stat(fd)), caller)


def access(
    caller: Caller,
    path: Any,
    mode: int,
    *,
    dir_fd: Any = None,
    effective_ids: bool = False,
    follow_symlinks: bool = True,
) -> bool:
    """As ``os.access``."""
    try:
        where, at = place(caller, path, dir_fd)
    except FileNotFoundError:
        return False
    if where is None:
        path = outside(caller, path, dir_fd)
        return bool(_access(path, mode, dir_fd=dir_fd, effective_ids=effective_ids, follow_symlinks=follow_symlinks))
    try:
        return bool(act(caller, AccessCheck(where, mode, at, bool(follow_symlinks))))
    except OSError:
        return False


def chmod(caller: Caller, path: Any, mode: int, *, dir_fd: Any = None, follow_symlinks: bool = True) -> None:
    """As ``os.chmod``."""
    where, at = target(caller, path, dir_fd)
    if where is None:
        refuse_call(caller, "os.chmod", path, mode)
    act(caller, Chmod(where, index(mode), bool(follow_symlinks), at), path)


def fchmod(caller: Caller, fd: int, mode: int) -> None:
    """As ``os.fchmod``."""
    if index(fd) < FIRST_DESCRIPTOR:
        refuse_call(caller, "os.fchmod", fd, mode)
    act(caller, Chmod(fd, index(mode)))


def chown(caller: Caller, path: Any, uid: int, gid: int, *, dir_fd: Any = None, follow_symlinks: bool = True) -> None:
    """As ``os.chown``."""
    where, at = target(caller, path, dir_fd)
    if where is None:
        refuse_call(caller, "os.chown", path, uid, gid)
    act(caller, Chown(where, index(uid), index(gid), bool(follow_symlinks), at), path)


def lchown(caller: Caller, path: Any, uid: int, gid: int) -> None:
    """As ``os.lchown``."""
    where, at = place(caller, path)
    if where is None:
        refuse_call(caller, "os.lchown", path, uid, gid)
    act(caller, Chown(where, index(uid), index(gid), False, at), path)


def fchown(caller: Caller, fd: int, uid: int, gid: int) -> None:
    """As ``os.fchown``."""
    if index(fd) < FIRST_DESCRIPTOR:
        refuse_call(caller, "os.fchown", fd, uid, gid)
    act(caller, Chown(fd, index(uid), index(gid)))


def utime(
    caller: Caller,
    path: Any,
    times: tuple[float, float] | None = None,
    *,
    ns: tuple[int, int] | None = None,
    dir_fd: Any = None,
    follow_symlinks: bool = True,
) -> None:
    """As ``os.utime``, whose errors name the file since Python 3.13 only."""
    exact = _nanoseconds(times, ns)
    try:
        where, at = target(caller, path, dir_fd)
    except FileNotFoundError as error:
        raise error if NAMES_IN_UTIME else error_of(errno.ENOENT) from None
    if where is None:
        refuse_call(caller, "os.utime", path, times)
    act(caller, Utime(where, exact, bool(follow_symlinks), at), path if NAMES_IN_UTIME else None)


def statvfs(caller: Caller, path: Any) -> os.statvfs_result:
    """As ``os.statvfs``."""
    where, _ = target(caller, path)
    if where is None:
        found: os.statvfs_result = OS["statvfs"](outside(caller, path))
        return found
    return os.statvfs_result((*act(caller, Statvfs(where), path), IDENTITY))


def fstatvfs(caller: Caller, fd: int) -> os.statvfs_result:
    """As ``os.fstatvfs``."""
    if fd < FIRST_DESCRIPTOR:
        found: os.statvfs_result = OS["fstatvfs"](fd)
        return found
    return os.statvfs_result((*act(caller, Statvfs(fd)), IDENTITY))


def pathconf(caller: Caller, path: Any, name: Any) -> Any:
    """As ``os.pathconf``: the limits of the simulated file system are those of the machine's root directory."""
    where, _ = target(caller, path)
    if isinstance(where, int):
        require_open(caller, where)
    return OS["pathconf"](outside(caller, path) if where is None else "/", name)


def listxattr(caller: Caller, path: Any = None, *, follow_symlinks: bool = True) -> list[str]:
    """As ``os.listxattr`` on a file system without extended attributes."""
    path = "." if path is None else path
    if target(caller, path)[0] is None:
        found: list[str] = OS["listxattr"](outside(caller, path), follow_symlinks=follow_symlinks)
        return found
    raise error_of(errno.ENOTSUP, path)


def getxattr(caller: Caller, path: Any, attribute: Any, *, follow_symlinks: bool = True) -> bytes:
    """As ``os.getxattr`` on a file system without extended attributes."""
    if target(caller, path)[0] is None:
        found: bytes = OS["getxattr"](outside(caller, path), attribute, follow_symlinks=follow_symlinks)
        return found
    raise error_of(errno.ENOTSUP, path)


def setxattr(
    caller: Caller, path: Any, attribute: Any, value: Any, flags: int = 0, *, follow_symlinks: bool = True
) -> None:
    """As ``os.setxattr`` on a file system without extended attributes."""
    if target(caller, path)[0] is None:
        refuse_call(caller, "os.setxattr", path, attribute)
    raise error_of(errno.ENOTSUP, path)


def removexattr(caller: Caller, path: Any, attribute: Any, *, follow_symlinks: bool = True) -> None:
    """As ``os.removexattr`` on a file system without extended attributes."""
    if target(caller, path)[0] is None:
        refuse_call(caller, "os.removexattr", path, attribute)
    raise error_of(errno.ENOTSUP, path)


def _nanoseconds(times: Any, ns: Any) -> tuple[int, int] | None:
    if times is not None and ns is not None:
        raise ValueError("utime: you may specify either 'times' or 'ns' but not both")
    if ns is not None:
        if not isinstance(ns, tuple) or len(ns) != 2:
            raise TypeError("utime: 'ns' must be a tuple of two ints")
        return plain(ns[0]), plain(ns[1])
    if times is None:
        return None
    if not isinstance(times, tuple) or len(times) != 2:
        raise TypeError("utime: 'times' must be either a tuple of two ints or None")
    return _floored(times[0]), _floored(times[1])


def _floored(seconds: float) -> int:
    if isinstance(seconds, int):
        return seconds * _BILLION
    whole = math.floor(seconds)
    return whole * _BILLION + math.floor((seconds - whole) * 1e9)


FUNCTIONS: Final[dict[str, Simulated]] = {
    "os:stat": stat,
    "os:lstat": lstat,
    "os:fstat": fstat,
    "os:access": access,
    "os:chmod": chmod,
    "os:fchmod": fchmod,
    "os:chown": chown,
    "os:lchown": lchown,
    "os:fchown": fchown,
    "os:utime": utime,
    "os:statvfs": statvfs,
    "os:fstatvfs": fstatvfs,
    "os:pathconf": pathconf,
    "os:fpathconf": pathconf,
    "os:listxattr": listxattr,
    "os:getxattr": getxattr,
    "os:setxattr": setxattr,
    "os:removexattr": removexattr,
}
