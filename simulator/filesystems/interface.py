"""What every file system offers to the engines: one method that carries out an operation for a rank."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from simulator.operations import Operation

FIRST_DESCRIPTOR = 1 << 30
"""Simulated descriptors start here, so that none can be mistaken for one of the real operating system."""


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


class Filesystem(Protocol):
    """A file system that ranks act on.

    Each rank has its own descriptors and its own stream of inode numbers, so that independent operations of two ranks
    commute exactly: neither a descriptor nor an inode number tells which came first.
    """

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """Carry out ``operation`` for ``rank`` at virtual time ``now`` (nanoseconds) and return what it gives.

        Raises OSError with the errno that Linux gives, without file names (the boundary adds those that the caller
        passed). ``now`` is strictly larger than that of every change before, unless the tape chose a tie.
        """
        ...

    def release(self, rank: int) -> None:
        """The rank's process has ended: its descriptors close and its locks go, without a scheduling point."""
        ...
