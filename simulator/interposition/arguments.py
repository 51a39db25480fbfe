"""What a held call is about: texts in the caller's memory, and what its descriptors are open on. proc(5)."""

from __future__ import annotations

import os
from typing import Final

from simulator.interposition.memory import Unreadable

_PAGE: Final = 4096
_PATH_MAX: Final = 4096
"""Bytes of a path, the terminating one included: linux/limits.h."""
_DELETED: Final = b" (deleted)"
_HERE: Final = -100
"""AT_FDCWD, fcntl.h."""


def text_at(thread: int, address: int) -> bytes | None:
    """The text that ends with a zero byte at that address of a caller; None where the kernel would say EFAULT.

    Raises Unreadable where this process may not read that of the caller.

    Longer than the kernel's limit it is cut, one byte beyond it: the call itself will fail with ENAMETOOLONG.
    """
    if not address:
        return None
    data = b""
    try:
        with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
            while len(data) <= _PATH_MAX:
                at = address + len(data)
                # A page at a time: the next one may not be there.
                part = os.pread(memory.fileno(), _PAGE - at % _PAGE, at)
                data += part
                end = data.find(b"\0")
                if end >= 0:
                    return data[:end]
                if not part:
                    return None
    except PermissionError as error:
        raise Unreadable from error
    except (OSError, OverflowError):
        return None
    return data[: _PATH_MAX + 1]


def descriptor_of(argument: int) -> int:
    """A descriptor as the kernel takes it from a register: its lower 32 bits, with a sign."""
    low = argument & 0xFFFFFFFF
    return low - (1 << 32) if low >= 1 << 31 else low


def opened_on(thread: int, descriptor: int) -> bytes | None:
    """The path that a caller's descriptor is open on, also of what has been deleted; None where it has none."""
    return None if descriptor < 0 else _path_of(f"/proc/{thread}/fd/{descriptor}")


def named(thread: int, address: int, directory: int | None) -> bytes | None:
    """The absolute path that a path argument names, as this process would name it. It may hold dots.

    Symbolic links are left as they stand: whether ``a/..`` leaves a linked directory is for the caller of this to ask
    the file system. No address is taken for an empty path, which names the directory itself where the call's flags say
    so. None where the path or the directory cannot be read.
    """
    path = text_at(thread, address) if address else b""
    if path is None:
        return None
    if path.startswith(b"/"):
        root = _path_of(f"/proc/{thread}/root")
        return path if root in (b"/", None) else root + path
    if directory is None or directory == _HERE:
        base = _path_of(f"/proc/{thread}/cwd")
    else:
        base = opened_on(thread, directory)
    if base is None or not base.startswith(b"/"):
        return None
    return base + b"/" + path if path else base


def _path_of(link: str) -> bytes | None:
    """What a link of /proc leads to: proc(5) appends `` (deleted)`` to the path of what is not there any more."""
    try:
        path = os.readlink(link.encode())
        if path.endswith(_DELETED) and not os.path.lexists(path):
            return path.removesuffix(_DELETED)
    except OSError:
        return None
    return path


def bytes_at(thread: int, address: int, size: int) -> bytes | None:
    """So many bytes of a caller's memory; None where not all of them can be read."""
    try:
        with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
            data = os.pread(memory.fileno(), size, address)
    except (OSError, OverflowError):
        return None
    return data if len(data) == size else None
