"""Open file descriptions (open(2) tells them from descriptors), and what the tasks of one rank share of them."""

from __future__ import annotations

import os
from typing import Final

from simulator.filesystems.posix.inode import Inode
from simulator.operations import Thing

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


def free_descriptors(rank: int) -> Thing:
    """Which numbers of a rank are free: what its next open gets.

    This and the next things matter to the tasks of one rank only. Their inode is negative and the rank's own.
    """
    return (_private(rank), ":free")


def descriptor(rank: int, number: int) -> Thing:
    """What a number of a rank stands for."""
    return (_private(rank), f"/{number}")


def position(rank: int, description: Description) -> Thing:
    """Where the next read or write of a description takes place."""
    return (_private(rank), f":position of {description.first}")


def own_lock(rank: int, description: Description) -> Thing:
    """Which flock a description has."""
    return (_private(rank), f":lock of {description.first}")


def created(rank: int) -> Thing:
    """How many inodes a rank has created: which number its next one gets."""
    return (_private(rank), ":created")


def _private(rank: int) -> int:
    return -(1 << 40) - rank
