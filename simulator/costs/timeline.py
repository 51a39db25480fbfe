"""When pending operations end: the operations of all tasks on one time line, sharing the file system's bandwidth.

Every task whose next operation is known has *begun* it; the scheduler grants one, which is then *finished*, and its
task begins its next operation. A scheduler that grants by time asks for the one that ends first. Any other may finish
any task: those that would have ended before are then held up until they are granted, and time never runs backwards.

A call costs O(log n) in the number of pending operations, amortised, besides what ``FairShare`` says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from heapq import heappop, heappush

from simulator.costs.durations import Durations, Streams, size_of
from simulator.costs.fair_share import FairShare
from simulator.costs.model import CostModel
from simulator.layouts.shards import ShardSpec
from simulator.operations import Operation, Read, Write


class _Pending:
    """An operation under way. ``link`` is set while its ``size`` bytes still have to be put on that link."""

    __slots__ = ("limit", "link", "node", "number", "size")

    def __init__(self, node: int, number: int) -> None:
        self.node = node
        self.number = number
        self.link: FairShare | None = None
        self.size = 0
        self.limit = math.inf


class Timeline:
    """The pending operations of a job. Times are integer nanoseconds; before ``now`` everything is settled."""

    __slots__ = ("_durations", "_held", "_model", "_numbers", "_pending", "_ranks_per_node", "_reads", "_streams",
                 "_timed", "_writes", "now")  # fmt: skip

    def __init__(self, model: CostModel, ranks_per_node: int) -> None:
        self._model = model
        self._ranks_per_node = ranks_per_node
        self._durations = Durations(model)
        self._streams = Streams(model)
        self._writes = FairShare(model.write_cap, model.total_write)
        self._reads = FairShare(model.read_cap, model.total_read)
        self._pending: dict[int, _Pending] = {}
        self._timed: list[tuple[int, int, int]] = []
        self._held: dict[int, int] = {}
        self._numbers = 0
        self.now = 0

    def __len__(self) -> int:
        return len(self._pending)

    def begin(
        self, task: int, rank: int, operation: Operation, now: int, slowdown: float = 1.0, size: int | None = None
    ) -> None:
        """A task of ``rank`` starts an operation at ``now``, which may lie in the future but not in the past.

        A collective is begun for each participant, at the time of the latest arrival, once all have arrived; a lock
        and a join likewise, once they can succeed. ``slowdown`` stretches the latency and the task's own rate.
        ``size`` in bytes is what a read will give, where the operation does not tell. Raises ValueError when the task
        has an operation pending, or when ``now`` is past.
        """
        if task in self._pending:
            raise ValueError(f"task {task} already has an operation pending")
        if now < self.now:
            raise ValueError(f"task {task} begins an operation at {now}, before the present {self.now}")
        self._numbers += 1
        pending = self._pending[task] = _Pending(rank // self._ranks_per_node, self._numbers)
        latency = self._durations.latency(operation)
        if slowdown != 1.0:
            latency = round(latency * slowdown)
        kind = type(operation)
        if kind is Write or kind is Read:
            pending.size = size_of(operation) if size is None else size
            if pending.size > 0:
                self._connect(pending, rank, operation, slowdown)
        heappush(self._timed, (now + latency, task, self._numbers))

    def next_completion(self) -> tuple[int, int] | None:
        """(task, time) of the operation that ends first, None when nothing is pending.

        Time may advance up to there, so every task that can has to have begun its operation before.
        """
        for task in self._held:
            return task, self.now
        return self._advance()

    def finish(self, task: int) -> int:
        """The task is granted: its operation is over; gives the moment, which becomes the present.

        Operations that end before this one stay pending, and end when they are granted.
        """
        if task not in self._pending:
            raise ValueError(f"task {task} has no operation pending")
        while self._held.pop(task, None) is None:
            found = self._advance()
            assert found is not None, "an operation that is pending and not held ends some time"
            ended, self.now = found
            self._disconnect(ended)
            self._held[ended] = self.now
        del self._pending[task]
        return self.now

    def performed(self, rank: int, operation: Operation, result: object) -> None:
        """Take note of what an open, dup or close gave: the file's name tells how fast it is written."""
        self._streams.performed(rank, operation, result)

    def cancel(self, task: int) -> None:
        """The task died: its pending operation, if any, will not end. From now on its bandwidth serves the others."""
        if task in self._pending:
            if self._held.pop(task, None) is None:
                self._disconnect(task)
            del self._pending[task]

    def _connect(self, pending: _Pending, rank: int, operation: Operation, slowdown: float) -> None:
        model = self._model
        if isinstance(operation, Write):
            limit, link = self._streams.rate(rank, operation.fd) / slowdown, self._writes
            capacity = min(model.write_cap, model.total_write)
        else:
            limit, link = model.read_stream / slowdown, self._reads
            capacity = min(model.read_cap, model.total_read)
        if not math.isinf(min(limit, capacity)):
            pending.link, pending.limit = link, limit

    def _disconnect(self, task: int) -> None:
        """The operation is neither on a link nor waiting for its moment any more."""
        self._pending[task].number = -1
        for link in (self._writes, self._reads):
            if task in link:
                link.end(task, self.now)

    def _advance(self) -> tuple[int, int] | None:
        """The first end among operations that are not held; flows that start before it have started."""
        timed, pending = self._timed, self._pending
        while True:
            flow = self._writes.next_end()
            other = self._reads.next_end()
            if flow is None or (other is not None and other < flow):
                flow = other
            if timed:
                moment, task, number = timed[0]
                entry = pending.get(task)
                if entry is None or entry.number != number:
                    heappop(timed)
                    continue
                if entry.link is None:
                    if flow is None or (moment, task) < flow:
                        return task, moment
                elif flow is None or moment <= flow[0]:
                    heappop(timed)
                    entry.link.begin(task, entry.node, entry.size, entry.limit, moment)
                    entry.link = None
                    self.now = max(self.now, moment)
                    continue
            return None if flow is None else (flow[1], flow[0])


_ANY_DESCRIPTOR = 1 << 30


def bytes_read(specs: Sequence[ShardSpec], world_size: int, ranks_per_node: int) -> list[int]:
    """What each rank of a resumed job fetches from the file system.

    A file that all ranks need is fetched once by each node: its other ranks find it in the page cache, so each is
    taken to fetch an equal part.
    """
    shared = sum(spec.size for spec in specs if spec.readers is None)
    own = [0] * world_size
    for spec in specs:
        for reader in spec.readers or ():
            own[reader] += spec.size
    return [size + shared // ranks_per_node for size in own]


def load_seconds(model: CostModel, sizes: Sequence[int], ranks_per_node: int) -> float:
    """Seconds until every rank has read so many bytes, when all begin at once."""
    timeline = Timeline(model, ranks_per_node)
    for rank, size in enumerate(sizes):
        timeline.begin(rank, rank, Read(_ANY_DESCRIPTOR, -1), 0, size=size)
    while (found := timeline.next_completion()) is not None:
        timeline.finish(found[0])
    return timeline.now / 1e9
