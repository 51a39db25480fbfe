"""Path texts taken apart."""

from __future__ import annotations

import errno
from functools import lru_cache
from typing import Final

import msgspec

from simulator.filesystems.posix.errors import failure

NAME_LIMIT: Final = 255
"""Bytes of a name (NAME_MAX of tmpfs and ext4)."""

PATH_LIMIT: Final = 4095
"""Bytes of a path (PATH_MAX of Linux less its final NUL). Here it holds for the path below the simulated root."""


class Path(msgspec.Struct, frozen=True, gc=False):
    """``directories`` lead to ``last``; ``last`` is "" for the root and may be "." or "..". ``slash``: at its end.

    ``names`` is the whole path where each part is a plain name that is not too long, otherwise None.
    """

    directories: tuple[str, ...]
    last: str
    slash: bool
    names: tuple[str, ...] | None


@lru_cache(maxsize=1 << 14)
def parse(text: str) -> Path:
    """Take a path apart. Raises ENAMETOOLONG for the path as a whole, not for its names: those come after ENOENT."""
    if too_long(text, PATH_LIMIT):
        raise failure(errno.ENAMETOOLONG)
    parts = [part for part in text.split("/") if part]
    if not parts:
        return Path((), "", False, ())
    plain = not any(part in (".", "..") or too_long(part, NAME_LIMIT) for part in parts)
    directories = tuple(part for part in parts[:-1] if part != ".")
    return Path(directories, parts[-1], text.endswith("/"), tuple(parts) if plain else None)


def too_long(text: str, limit: int) -> bool:
    """Whether the text takes more than ``limit`` bytes."""
    # No character takes more than four bytes, so most texts need not be encoded.
    return len(text) * 4 > limit and len(text.encode("utf-8", "surrogateescape")) > limit
