"""What ``os`` is told or asked about a descriptor and what the simulation has one answer to, or none to keep."""

from __future__ import annotations

from typing import Final

from simulator.boundary.caller import Caller
from simulator.boundary.calls import Simulated, require_open
from simulator.filesystems.interface import FIRST_DESCRIPTOR
from simulator.originals import OS


def posix_fadvise(caller: Caller, fd: int, offset: int, length: int, advice: int) -> None:
    """As ``os.posix_fadvise``: advice changes nothing that could be observed."""
    if fd < FIRST_DESCRIPTOR:
        OS["posix_fadvise"](fd, offset, length, advice)
    else:
        require_open(caller, fd)


def isatty(caller: Caller, fd: int) -> bool:
    """As ``os.isatty``."""
    return fd < FIRST_DESCRIPTOR and bool(OS["isatty"](fd))


def device_encoding(caller: Caller, fd: int) -> str | None:
    """As ``os.device_encoding``: files have none."""
    found: str | None = OS["device_encoding"](fd) if fd < FIRST_DESCRIPTOR else None
    return found


def get_inheritable(caller: Caller, fd: int) -> bool:
    """As ``os.get_inheritable``: a rank starts no processes, and what Python opens is not inherited."""
    if fd < FIRST_DESCRIPTOR:
        return bool(OS["get_inheritable"](fd))
    require_open(caller, fd)
    return False


def set_inheritable(caller: Caller, fd: int, inheritable: bool) -> None:
    """As ``os.set_inheritable``, without effect, as a rank starts no processes."""
    if fd < FIRST_DESCRIPTOR:
        OS["set_inheritable"](fd, inheritable)
    else:
        require_open(caller, fd)


def get_blocking(caller: Caller, fd: int) -> bool:
    """As ``os.get_blocking``."""
    if fd < FIRST_DESCRIPTOR:
        return bool(OS["get_blocking"](fd))
    require_open(caller, fd)
    return True


def set_blocking(caller: Caller, fd: int, blocking: bool) -> None:
    """As ``os.set_blocking``, without effect: reading and writing files never blocks for long."""
    if fd < FIRST_DESCRIPTOR:
        OS["set_blocking"](fd, blocking)
    else:
        require_open(caller, fd)


FUNCTIONS: Final[dict[str, Simulated]] = {
    "os:posix_fadvise": posix_fadvise,
    "os:isatty": isatty,
    "os:device_encoding": device_encoding,
    "os:get_inheritable": get_inheritable,
    "os:set_inheritable": set_inheritable,
    "os:get_blocking": get_blocking,
    "os:set_blocking": set_blocking,
}
