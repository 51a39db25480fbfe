"""What a held call is about: texts in the caller's memory, and what its descriptors are open on. proc(5)."""

from __future__ import annotations

import os
from typing import Final

_PAGE: Final = 4096
_PATH_MAX: Final = 4096
"""Bytes of a path, the terminating one included: linux/limits.h."""
_HERE: Final = -100
"""AT_FDCWD, fcntl.h."""


def text_at(thread: int, address: int) -> bytes | None:
    """The text that ends with a zero byte at that address of a caller; None where the kernel would say EFAULT.

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
    except (OSError, OverflowError):
        return None
    return data[: _PATH_MAX + 1]


def descriptor_of(argument: int) -> int:
    """A descriptor as the kernel takes it from a register: its lower 32 bits, with a sign."""
    low = argument & 0xFFFFFFFF
    return low - (1 << 32) if low >= 1 << 31 else low


def opened_on(thread: int, descriptor: int) -> bytes | None:
    """The path that a caller's descriptor is open on (its current directory for AT_FDCWD); None where it has none.

    The path of what has been deleted ends with `` (deleted)``, as the kernel says it.
    """
    place = "cwd" if descriptor == _HERE else f"fd/{descriptor}"
    try:
        return os.readlink(f"/proc/{thread}/{place}".encode())
    except OSError:
        return None


def named(thread: int, address: int, directory: int | None) -> bytes | None:
    """The absolute path that a path argument names, dots and double slashes resolved by text alone.

    Symbolic links are left as they stand: whether ``a/..`` leaves a linked directory is for the caller of this to ask
    the file system. None where the path or the directory cannot be read.
    """
    path = text_at(thread, address)
    if path is None:
        return None
    if not path.startswith(b"/"):
        base = opened_on(thread, _HERE if directory is None else directory)
        if base is None or not base.startswith(b"/"):
            return None
        path = base + b"/" + path if path else base
    return path


def bytes_at(thread: int, address: int, size: int) -> bytes | None:
    """So many bytes of a caller's memory; None where not all of them can be read."""
    try:
        with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
            data = os.pread(memory.fileno(), size, address)
    except (OSError, OverflowError):
        return None
    return data if len(data) == size else None
