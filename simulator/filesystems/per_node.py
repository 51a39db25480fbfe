"""A disk of its own on every node: the profile ``per-node``.

A protocol that takes the job's directory for a shared one finds out here: what one node writes, no other sees. A
judgement looks as a restart on the same nodes would, each rank at the disk of its node; one by a rank alone (a user's
invariant) sees the disk of node 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from simulator.filesystems.posix import Inode, PosixModel
from simulator.operations import Access, Lock, Operation


class PerNodeDisks:
    """A ``Filesystem`` that can be put back, made of ``disks``, one a node."""

    __slots__ = ("_accesses", "_ranks_per_node", "disks")

    def __init__(self, nodes: int, ranks_per_node: int) -> None:
        self.disks = [PosixModel() for _ in range(nodes)]
        for disk in self.disks:
            disk.tree.ranks_per_node = ranks_per_node
        self._ranks_per_node = ranks_per_node
        self._accesses: list[Access] | None = None

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``."""
        return self._disk(rank).perform(rank, operation, now)

    def release(self, rank: int) -> None:
        """See ``Filesystem.release``."""
        self._disk(rank).release(rank)

    def release_all(self) -> None:
        """Every process has ended, as when the job dies."""
        for disk in self.disks:
            disk.release_all()

    def lose_scratch(self, node: int) -> None:
        """See ``Filesystem.lose_scratch``."""
        self.disks[node].lose_scratch(node)

    def would_wait(self, rank: int, operation: Lock) -> bool:
        """See ``PosixModel.would_wait``."""
        return self._disk(rank).would_wait(rank, operation)

    @property
    def accesses(self) -> list[Access] | None:
        """See ``PosixModel.accesses``. The roots of the disks are told apart by nobody, which only orders more."""
        return self._accesses

    @accesses.setter
    def accesses(self, accesses: list[Access] | None) -> None:
        self._accesses = accesses
        for disk in self.disks:
            disk.accesses = accesses

    def digest(self) -> int:
        """128 bits that name all disks as a restart on the same nodes would see them."""
        whole = b"".join(disk.digest().to_bytes(16, "little") for disk in self.disks)
        return int.from_bytes(blake2b(whole, digest_size=16).digest(), "little")

    def mtime_order(self) -> Any:
        """See ``PosixModel.mtime_order``; nobody compares times of two disks."""
        return tuple(disk.mtime_order() for disk in self.disks)

    def mark(self) -> int:
        """See ``PosixModel.mark``."""
        marks = [disk.mark() for disk in self.disks]
        return marks[0]

    def rollback(self, mark: int) -> None:
        """See ``PosixModel.rollback``."""
        for disk in self.disks:
            disk.rollback(mark)

    def forget(self, mark: int) -> None:
        """See ``PosixModel.forget``."""
        for disk in self.disks:
            disk.forget(mark)

    def walk_files(self) -> Iterator[tuple[str, Inode]]:
        """Every name on each disk with its inode, the disks one after the other."""
        for disk in self.disks:
            yield from disk.walk_files()

    def _disk(self, rank: int) -> PosixModel:
        """That of a rank, or of the one that judges in its place (see ``greenlet_engine``)."""
        return self.disks[(rank if rank >= 0 else -1 - rank) // self._ranks_per_node]
