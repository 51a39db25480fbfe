"""What each rank and node used in a run: operations, bytes, and where its time went."""

from __future__ import annotations

import msgspec

from simulator.costs.durations import size_of
from simulator.operations import Collective, Operation, Read, Sleep, Write


class RankUsage(msgspec.Struct, frozen=True):
    """The sums of one rank. Times in seconds of virtual time, sizes in bytes.

    ``metadata_operations`` are those of ``operations`` that move no bytes, sleeps and collectives apart. ``busy`` is
    the time in operations, ``waited`` the time between arrival at a collective and its completion (``longest_wait``
    the longest of them, which a collective's time-out would end), ``stalled`` the time in saves, which training lost.
    """

    rank: int
    node: int
    operations: int
    metadata_operations: int
    bytes_written: int
    bytes_read: int
    busy: float
    waited: float
    longest_wait: float
    stalled: float


class NodeUsage(msgspec.Struct, frozen=True):
    """The sums of a node's ranks, and the longest wait and stall of any of them. Units as in ``RankUsage``."""

    node: int
    operations: int
    metadata_operations: int
    bytes_written: int
    bytes_read: int
    longest_wait: float
    longest_stall: float


class _Sums:
    __slots__ = ("busy", "longest_wait", "metadata", "operations", "read", "stalled", "waited", "written")

    def __init__(self) -> None:
        self.operations = self.metadata = self.written = self.read = 0
        self.busy = self.waited = self.longest_wait = self.stalled = 0


class Usage:
    """Accumulators of all ranks; each call is O(1). Durations in nanoseconds."""

    __slots__ = ("_ranks_per_node", "_sums")

    def __init__(self, ranks: int, ranks_per_node: int) -> None:
        self._ranks_per_node = ranks_per_node
        self._sums = [_Sums() for _ in range(ranks)]

    def charge(self, rank: int, operation: Operation, duration: int, size: int | None = None) -> None:
        """A rank completed an operation. ``size`` in bytes is what it really moved, where that is known."""
        sums = self._sums[rank]
        sums.operations += 1
        kind = type(operation)
        if kind is Write:
            sums.written += size_of(operation) if size is None else size
        elif kind is Read:
            sums.read += size_of(operation) if size is None else size
        elif kind is Collective or kind is Sleep:
            return
        else:
            sums.metadata += 1
        sums.busy += duration

    def wait(self, rank: int, duration: int) -> None:
        """A rank waited at a collective, from its arrival to the completion."""
        sums = self._sums[rank]
        sums.waited += duration
        if duration > sums.longest_wait:
            sums.longest_wait = duration

    def stall(self, rank: int, duration: int) -> None:
        """A rank's save took this long from call to return."""
        self._sums[rank].stalled += duration

    def per_rank(self) -> list[RankUsage]:
        """The sums so far, by rank."""
        return [
            RankUsage(
                rank, rank // self._ranks_per_node, sums.operations, sums.metadata, sums.written, sums.read,
                sums.busy / 1e9, sums.waited / 1e9, sums.longest_wait / 1e9, sums.stalled / 1e9,
            )
            for rank, sums in enumerate(self._sums)
        ]  # fmt: skip

    def per_node(self) -> list[NodeUsage]:
        """The sums so far, by node."""
        found = []
        ranks = self.per_rank()
        for first in range(0, len(ranks), self._ranks_per_node):
            members = ranks[first : first + self._ranks_per_node]
            found.append(
                NodeUsage(
                    members[0].node,
                    sum(rank.operations for rank in members),
                    sum(rank.metadata_operations for rank in members),
                    sum(rank.bytes_written for rank in members),
                    sum(rank.bytes_read for rank in members),
                    max(rank.longest_wait for rank in members),
                    max(rank.stalled for rank in members),
                )
            )
        return found
