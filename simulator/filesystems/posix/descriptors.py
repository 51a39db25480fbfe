"""Descriptors of the ranks, and the open file descriptions that they stand for (open(2) tells the two apart)."""

from __future__ import annotations

import errno
import os
from typing import Final

from simulator.filesystems.interface import FIRST_DESCRIPTOR
from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import Inode

_READABLE: Final = (os.O_RDONLY, os.O_RDWR)
_WRITABLE: Final = (os.O_WRONLY, os.O_RDWR)


class Description:
    """An open file: dup'ed descriptors share it, its position and its flock (``lock``: 0, LOCK_SH or LOCK_EX).

    ``first`` is the descriptor that it was opened as. ``references`` counts the descriptors.
    """

    __slots__ = ("append", "first", "inode", "lock", "path_only", "position", "readable", "references", "writable")

    def __init__(self, inode: Inode, flags: int) -> None:
        self.inode = inode
        mode = flags & os.O_ACCMODE
        self.path_only = flags & os.O_PATH != 0
        self.readable = mode in _READABLE and not self.path_only
        self.writable = mode in _WRITABLE and not self.path_only
        self.append = flags & os.O_APPEND != 0
        self.position = 0
        self.references = 1
        self.lock = 0
        self.first = -1


class Table:
    """The descriptors of one rank. No number below ``lowest`` is free, so that the smallest free one is soon found."""

    __slots__ = ("lowest", "opened")

    def __init__(self) -> None:
        self.opened: dict[int, Description] = {}
        self.lowest = FIRST_DESCRIPTOR

    def smallest_free(self) -> int:
        """The number that the next open gets, as POSIX wants it."""
        number = self.lowest
        while number in self.opened:
            number += 1
        return number

    def get(self, number: int) -> Description:
        """What a descriptor stands for. Raises EBADF."""
        try:
            return self.opened[number]
        except KeyError:
            raise failure(errno.EBADF) from None
