"""``fcntl``: flock, lockf as a lock of the whole file, and what else is asked of a simulated descriptor."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Any, Final

from simulator.boundary.caller import Caller
from simulator.boundary.calls import Simulated, act, error_of, refuse_call
from simulator.boundary.descriptors import descriptor_of
from simulator.filesystems.interface import FIRST_DESCRIPTOR
from simulator.operations import Dup, Lock
from simulator.originals import OS

_flock, _lockf, _fcntl, _ioctl = fcntl.flock, fcntl.lockf, fcntl.fcntl, fcntl.ioctl
_SECTION_COMMANDS: Final = {
    os.F_LOCK: fcntl.LOCK_EX, os.F_TLOCK: fcntl.LOCK_EX | fcntl.LOCK_NB, os.F_ULOCK: fcntl.LOCK_UN
}  # fmt: skip
_CLONE: Final = 0x40049409
"""FICLONE of <linux/fs.h>."""


def flock(caller: Caller, fd: Any, operation: int) -> None:
    """As ``fcntl.flock``."""
    number = descriptor_of(fd)
    if number < FIRST_DESCRIPTOR:
        _flock(number, operation)
    else:
        act(caller, Lock(number, operation))


def lockf(caller: Caller, fd: Any, cmd: int, len: int = 0, start: int = 0, whence: int = 0) -> None:
    """As ``fcntl.lockf``, but always on the whole file, and held by the open file description as flock's are.

    POSIX's record locks belong to the process and go when any descriptor of the file is closed. Code that relies on
    that, or on two ranges of one file, is not judged rightly here.
    """
    number = descriptor_of(fd)
    if number < FIRST_DESCRIPTOR:
        _lockf(number, cmd, len, start, whence)
    else:
        act(caller, Lock(number, cmd))


def lock_section(caller: Caller, fd: int, command: int, length: int) -> None:
    """As ``os.lockf``, on the whole file like ``lockf``."""
    if fd < FIRST_DESCRIPTOR:
        OS["lockf"](fd, command, length)
        return
    how = _SECTION_COMMANDS.get(command)
    if how is None:
        refuse_call(caller, "os.lockf", fd, command, length)
    act(caller, Lock(fd, how))


def control(caller: Caller, fd: Any, cmd: int, arg: Any = 0) -> Any:
    """As ``fcntl.fcntl``: duplicates a simulated descriptor, and refuses what the simulation does not know."""
    number = descriptor_of(fd)
    if number < FIRST_DESCRIPTOR:
        return _fcntl(number, cmd, arg)
    if cmd in (fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC):
        return act(caller, Dup(number))
    if cmd == fcntl.F_GETFD:
        return fcntl.FD_CLOEXEC
    if cmd == fcntl.F_SETFD:
        return 0
    return refuse_call(caller, "fcntl.fcntl", number, cmd, arg)


def device_control(caller: Caller, fd: Any, request: int, arg: Any = 0, mutate_flag: bool = True) -> Any:
    """As ``fcntl.ioctl``: a simulated file is no device and cannot share blocks with another."""
    number = descriptor_of(fd)
    if number < FIRST_DESCRIPTOR:
        return _ioctl(number, request, arg, mutate_flag)
    raise error_of(errno.EOPNOTSUPP if request == _CLONE else errno.ENOTTY)


FUNCTIONS: Final[dict[str, Simulated]] = {
    "fcntl:flock": flock,
    "fcntl:lockf": lockf,
    "os:lockf": lock_section,
    "fcntl:fcntl": control,
    "fcntl:ioctl": device_control,
}
