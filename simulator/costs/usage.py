"""What each rank and node used in a run: operations, bytes, and where its time went."""

from __future__ import annotations

import msgspec

from simulator.costs.durations import size_of
from simulator.operations import Collective, Operation, Read, Sleep, Write


class Flow(msgspec.Struct, frozen=True, gc=False):
    """Bytes that one operation moved, from and to when (nanoseconds of the job's clock). ``write``: to the disk."""

    node: int
    write: bool
    began: int
    ended: int
    size: int


LARGE = 1 << 20
"""Operations that move at least so many bytes are kept as flows: what is smaller is latency, not bandwidth."""


class RankUsage(msgspec.Struct, frozen=True):
    """The sums of one rank. Times in seconds of virtual time, sizes in bytes.

    ``metadata_operations`` are those of ``operations`` that move no bytes, sleeps and collectives apart. ``busy`` is
    the time in operations, ``waited`` the time between arrival at a collective and its completion (``longest_wait``
    the longest of them, which a collective's time-out would end), ``stalled`` the time in saves, which training lost,
    ``writing`` the part of ``busy`` that was in writes.
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
    writing: float = 0.0

    @property
    def bandwidth(self) -> float:
        """What it wrote while it wrote, in GB/s."""
        return self.bytes_written / self.writing / 1e9 if self.writing else 0.0


class NodeUsage(msgspec.Struct, frozen=True):
    """The sums of a node's ranks, and the longest wait and stall of any of them. Units as in ``RankUsage``.

    ``bandwidth`` is what its ranks wrote together while any of them was writing, in GB/s.
    """

    node: int
    operations: int
    metadata_operations: int
    bytes_written: int
    bytes_read: int
    longest_wait: float
    longest_stall: float
    bandwidth: float = 0.0


class _Sums:
    __slots__ = ("busy", "longest_wait", "metadata", "operations", "read", "stalled", "waited", "writing", "written")

    def __init__(self) -> None:
        self.operations = self.metadata = self.written = self.read = 0
        self.busy = self.waited = self.longest_wait = self.stalled = self.writing = 0


class Usage:
    """Accumulators of all ranks; each call is O(1). Durations in nanoseconds. ``flows`` are in order of their ends."""

    __slots__ = ("_ranks_per_node", "_sums", "flows")

    def __init__(self, ranks: int, ranks_per_node: int) -> None:
        self._ranks_per_node = ranks_per_node
        self._sums = [_Sums() for _ in range(ranks)]
        self.flows: list[Flow] = []

    def charge(
        self, rank: int, operation: Operation, duration: int, size: int | None = None, ended: int | None = None
    ) -> None:
        """A rank completed an operation, at ``ended`` where that is known.

        ``size`` in bytes is what it really moved, where the operation does not tell.
        """
        sums = self._sums[rank]
        sums.operations += 1
        kind = type(operation)
        if kind is Write or kind is Read:
            moved = size_of(operation) if size is None else size
            if kind is Write:
                sums.written += moved
                sums.writing += duration
            else:
                sums.read += moved
            if moved >= LARGE and ended is not None:
                self.flows.append(Flow(rank // self._ranks_per_node, kind is Write, ended - duration, ended, moved))
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
                sums.writing / 1e9,
            )
            for rank, sums in enumerate(self._sums)
        ]  # fmt: skip

    def per_node(self) -> list[NodeUsage]:
        """The sums so far, by node."""
        found = []
        ranks = self.per_rank()
        writing = self._writing_by_node()
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
                    writing.get(members[0].node, 0.0),
                )
            )
        return found

    def _writing_by_node(self) -> dict[int, float]:
        """What each node's large writes moved while any of them was under way, in GB/s."""
        writes: dict[int, list[Flow]] = {}
        for flow in self.flows:
            if flow.write:
                writes.setdefault(flow.node, []).append(flow)
        found = {}
        for node, flows in writes.items():
            under_way, until = 0, 0
            for flow in sorted(flows, key=lambda flow: flow.began):
                under_way += max(0, flow.ended - max(flow.began, until))
                until = max(until, flow.ended)
            found[node] = sum(flow.size for flow in flows) / under_way if under_way else 0.0
        return found
