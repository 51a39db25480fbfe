"""Bytes that flow through shared links: max-min fair rates, in a fluid model driven by starts and ends.

A flow is limited by itself (its process), by its node and by the whole file system. Max-min fairness under such a tree
of caps means that all flows' rates rise together and each stops where the first of its caps is reached (Bertsekas and
Gallager, Data Networks, 2nd edition, section 6.5.2). Flows on one node with the same limit, a *lane*, always have
the same rate, and so do the lanes of nodes that carry the same load, a *group*.

Each lane has a service clock: the bytes that each of its flows has been given so far. A flow ends when the clock has
moved by its size, so an end is known in service time whatever the rates do later (processor sharing in virtual time:
Demers, Keshav and Shenker, 1989). Clocks run by group; a lane keeps its difference to its group's clock. A start or end
costs O(log n) for the heaps plus O(g) for the g distinct limits of distinct loads, which is small where nodes are alike
(each of 128 nodes may have between 0 and 8 writers: at most 8) and does not grow with the number of ranks.
"""

from __future__ import annotations

import math
from heapq import heappop, heappush
from typing import TypeAlias

Signature: TypeAlias = tuple[tuple[float, int], ...]
"""The load of a node: (limit, number of flows), by limit."""


class _Lane:
    """The flows of one node with one limit. ``offset`` is its service clock less its group's."""

    __slots__ = ("count", "flows", "offset", "version")

    def __init__(self) -> None:
        self.flows: list[tuple[float, int]] = []
        self.count = 0
        self.offset = 0.0
        self.version = 0


class _Group:
    """The nodes with one load: for each limit a service clock, its rate, and a heap of the lanes' next ends."""

    __slots__ = ("clocks", "ends", "nodes", "rates", "signature")

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.nodes = 0
        self.clocks = {limit: 0.0 for limit, _ in signature}
        self.rates = {limit: 0.0 for limit, _ in signature}
        self.ends: dict[float, list[tuple[float, int, int, _Lane]]] = {limit: [] for limit, _ in signature}


class FairShare:
    """All flows in one direction. Sizes in bytes, rates in GB/s (bytes a nanosecond), times in nanoseconds."""

    __slots__ = ("_flows", "_groups", "_lanes", "_membership", "_next", "_node_capacity", "_now", "_total_capacity")

    def __init__(self, node_capacity: float, total_capacity: float) -> None:
        self._node_capacity = node_capacity
        self._total_capacity = total_capacity
        self._now = 0
        self._flows: dict[int, tuple[int, float, float]] = {}
        self._lanes: dict[int, dict[float, _Lane]] = {}
        self._membership: dict[int, _Group] = {}
        self._groups: dict[Signature, _Group] = {}
        self._next: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self._flows)

    def __contains__(self, task: int) -> bool:
        return task in self._flows

    def begin(self, task: int, node: int, size: int, limit: float, now: int) -> None:
        """A task starts to move ``size`` bytes. Raises ValueError for a second flow of a task and for a past time."""
        limit = min(limit, self._node_capacity, self._total_capacity)
        if task in self._flows:
            raise ValueError(f"task {task} already has a flow")
        if math.isinf(limit) or size <= 0:
            raise ValueError(f"a flow needs bytes and a finite rate, has {size} bytes at {limit} GB/s")
        self._advance(now)
        self._leave(node)
        lane = self._lanes.setdefault(node, {}).setdefault(limit, _Lane())
        end = lane.offset + size
        lane.count += 1
        heappush(lane.flows, (end, task))
        self._flows[task] = (node, limit, end)
        self._join(node)
        self._settle()

    def end(self, task: int, now: int) -> None:
        """The task's flow is over: it is complete, or the task was killed."""
        self._advance(now)
        node, limit, _ = self._flows.pop(task)
        self._leave(node)
        self._lanes[node][limit].count -= 1
        self._join(node)
        self._settle()

    def next_end(self) -> tuple[int, int] | None:
        """(time, task) of the flow that is complete first if nothing starts before; None when nothing flows."""
        return self._next

    def rate(self, task: int) -> float:
        """The rate at which the task's flow moves now, in GB/s."""
        node, limit, _ = self._flows[task]
        return self._membership[node].rates[limit]

    def _advance(self, now: int) -> None:
        elapsed = now - self._now
        if elapsed < 0:
            raise ValueError(f"time runs backwards: {now} after {self._now}")
        if elapsed:
            self._now = now
            for group in self._groups.values():
                for limit, rate in group.rates.items():
                    group.clocks[limit] += rate * elapsed

    def _leave(self, node: int) -> None:
        """Take a node out of its group; its lanes' offsets become whole service clocks."""
        group = self._membership.pop(node, None)
        if group is None:
            return
        for limit, lane in self._lanes[node].items():
            lane.offset += group.clocks[limit]
            lane.version += 1
        group.nodes -= 1
        if not group.nodes:
            del self._groups[group.signature]

    def _join(self, node: int) -> None:
        """Put a node into the group of its present load."""
        lanes = {limit: lane for limit, lane in self._lanes[node].items() if lane.count}
        if not lanes:
            del self._lanes[node]
            return
        self._lanes[node] = lanes
        signature = tuple(sorted((limit, lane.count) for limit, lane in lanes.items()))
        group = self._groups.get(signature)
        if group is None:
            group = self._groups[signature] = _Group(signature)
        group.nodes += 1
        self._membership[node] = group
        for limit, lane in lanes.items():
            while self._flows.get(lane.flows[0][1], (0, 0.0, -1.0))[2] != lane.flows[0][0]:
                heappop(lane.flows)
            end, task = lane.flows[0]
            lane.offset -= group.clocks[limit]
            heappush(group.ends[limit], (end - lane.offset, task, lane.version, lane))

    def _settle(self) -> None:
        """Set the rates for the present load and find the next end."""
        shares = [
            (rate, limit, count * group.nodes, group)
            for group in self._groups.values()
            for (limit, count), rate in zip(group.signature, self._node_rates(group.signature), strict=True)
        ]
        level = _water_level([(rate, count) for rate, _, count, _ in shares], self._total_capacity)
        best: tuple[int, int] | None = None
        for rate, limit, _, group in shares:
            group.rates[limit] = rate = min(rate, level)
            ends = group.ends[limit]
            while ends[0][3].version != ends[0][2]:
                heappop(ends)
            remaining = ends[0][0] - group.clocks[limit]
            found = (self._now + max(math.ceil(remaining / rate), 0), ends[0][1])
            if best is None or found < best:
                best = found
        self._next = best

    def _node_rates(self, signature: Signature) -> list[float]:
        level = _water_level(signature, self._node_capacity)
        return [min(limit, level) for limit, _ in signature]


def _water_level(shares: list[tuple[float, int]] | Signature, capacity: float) -> float:
    """The level at which flows that stop at their own limits, or at it, fill a capacity; inf if they cannot."""
    demand = 0.0
    for limit, count in shares:
        demand += limit * count
    if demand <= capacity:
        return math.inf
    left, flows = capacity, sum(count for _, count in shares)
    for limit, count in sorted(shares):
        if limit * flows >= left:
            break
        left -= limit * count
        flows -= count
    return left / flows
