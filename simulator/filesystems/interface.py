"""What every file system offers to the engines: one method that carries out an operation for a rank."""

from __future__ import annotations

import errno
import os
from os import strerror
from typing import Any, Final, Protocol

import msgspec

from simulator.operations import Operation

FIRST_DESCRIPTOR = 1 << 30
"""Simulated descriptors start here, so that none can be mistaken for one of the real operating system."""

LINK_TO_ROOT: Final = "/\x1fckptrace-root"
"""How the text of a symbolic link names the root, whose absolute path no file system is told.

A link to the root has this text, a link to ``a/b`` below it ``LINK_TO_ROOT + "/a/b"``. It is an absolute path for
whoever asks, holds a control character so that nobody writes it by chance, and makes equal trees equal wherever the
root lies. The boundary puts it in for the root's path in ``Symlink.text`` and back in what ``Readlink`` gives.
"""


DIRECTORY_SIZE: Final = 4096
"""What a stat tells as the size of every directory, since real file systems have no rule for it."""

_BLOCK: Final = 4096
_BLOCKS: Final = 1 << 38
_INODES: Final = 1 << 32

VOLUME: Final = (_BLOCK, _BLOCK, _BLOCKS, _BLOCKS, _BLOCKS, _INODES, _INODES, _INODES, 0, 255)
"""What statvfs tells: an empty volume of one pebibyte, however much is written, so that nothing conflicts with it."""


def _scratch_directories() -> tuple[str, ...]:
    named = (os.path.abspath(os.environ[name]) for name in ("TMPDIR", "TEMP", "TMP") if os.environ.get(name))
    return tuple(dict.fromkeys(("/tmp", "/var/tmp", "/dev/shm", *named)))


SCRATCH_DIRECTORIES: Final = _scratch_directories()
"""The directories for temporary files that each node has for itself. The path of an operation is relative to the root,
or begins with one of these."""


class Attributes(msgspec.Struct, frozen=True, gc=False):
    """What stat(2) tells. Times in nanoseconds."""

    mode: int
    inode: int
    links: int
    size: int
    uid: int = 0
    gid: int = 0
    device: int = 1
    accessed: int = 0
    modified: int = 0
    changed: int = 0


class DirectoryDescriptor(int):
    """What an ``Open`` of a directory gives: a descriptor that tells what it is of.

    C's ``FileIO`` asks that with an fstat. Here nobody needs to: it is known with the open, and stays so.
    """


class WouldBlock(BlockingIOError):
    """A ``Lock`` without LOCK_NB would have to wait for another holder.

    Not an outcome that code under test may see: the engine lets the rank wait and performs the operation again when
    it may succeed. If the descriptor held a lock of the other kind, that lock is gone already (flock(2): a conversion
    removes the old lock first).
    """

    would_wait = True

    def __init__(self) -> None:
        super().__init__(errno.EAGAIN, strerror(errno.EAGAIN))


class InParts(WouldBlock):
    """A part of an operation is done, for everybody to see, and another is left: it is to be performed again.

    As ``WouldBlock`` no outcome for code under test, but nothing needs to happen before it goes on.
    """

    would_wait = False


class Filesystem(Protocol):
    """A file system that ranks act on.

    Each rank has its own descriptors and its own stream of inode numbers, so that independent operations of two ranks
    commute exactly: neither a descriptor nor an inode number tells which came first.
    """

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """Carry out ``operation`` for ``rank`` at virtual time ``now`` (nanoseconds) and return what it gives.

        Raises OSError with the errno that Linux gives, without file names (the boundary adds those that the caller
        passed); ``WouldBlock`` for a ``Lock`` that has to wait, ``InParts`` for what is not done at once. ``now`` is
        strictly larger than that of every change before, unless the tape chose a tie.
        """
        ...

    def release(self, rank: int) -> None:
        """The rank's process has ended: its descriptors close and its locks go, without a scheduling point."""
        ...

    def lose_scratch(self, node: int) -> None:
        """The node is gone, and with it what its ranks had in ``SCRATCH_DIRECTORIES``."""
        ...
