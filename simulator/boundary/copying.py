"""Copies between descriptors that the kernel makes: sendfile, copy_file_range, splice.

The vocabulary has no copy, so each is one read and one write, between which other ranks may come: POSIX promises no
more, and on a network file system the kernel does just that.
"""

from __future__ import annotations

from typing import Any, Final

from simulator.boundary.caller import Caller
from simulator.boundary.calls import Simulated, refuse_call
from simulator.boundary.descriptors import pread, pwrite, read, write
from simulator.filesystems.interface import FIRST_DESCRIPTOR
from simulator.originals import OS


def sendfile(
    caller: Caller,
    out_fd: int,
    in_fd: int,
    offset: int | None,
    count: int,
    headers: Any = (),
    trailers: Any = (),
    flags: int = 0,
) -> int:
    """As ``os.sendfile``; the real one where neither side is simulated."""
    if out_fd < FIRST_DESCRIPTOR and in_fd < FIRST_DESCRIPTOR:
        return int(OS["sendfile"](out_fd, in_fd, offset, count))
    data = read(caller, in_fd, count) if offset is None else pread(caller, in_fd, count, offset)
    return write(caller, out_fd, data) if data else 0


def copy_file_range(
    caller: Caller, src: int, dst: int, count: int, offset_src: int | None = None, offset_dst: int | None = None
) -> int:
    """As ``os.copy_file_range``; the real one where neither side is simulated."""
    if src < FIRST_DESCRIPTOR and dst < FIRST_DESCRIPTOR:
        return int(OS["copy_file_range"](src, dst, count, offset_src, offset_dst))
    if count < 0:
        raise ValueError("negative value for 'count' not allowed")
    data = read(caller, src, count) if offset_src is None else pread(caller, src, count, offset_src)
    if not data:
        return 0
    return write(caller, dst, data) if offset_dst is None else pwrite(caller, dst, data, offset_dst)


def splice(caller: Caller, src: int, dst: int, count: int, *offsets: Any, **options: Any) -> int:
    """As ``os.splice`` between real descriptors; with a simulated one it would need a pipe: an escape."""
    if src < FIRST_DESCRIPTOR and dst < FIRST_DESCRIPTOR:
        return int(OS["splice"](src, dst, count, *offsets, **options))
    return refuse_call(caller, "os.splice", src, dst, count)


FUNCTIONS: Final[dict[str, Simulated]] = {
    "os:sendfile": sendfile,
    "os:copy_file_range": copy_file_range,
    "os:splice": splice,
}
