"""Sums by rank and by node."""

from __future__ import annotations

from simulator.costs import NodeUsage, Usage
from simulator.operations import Collective, Extent, Mkdir, Read, Sleep, Write


def test_operations_bytes_and_times_are_summed_by_rank_and_by_node() -> None:
    usage = Usage(ranks=4, ranks_per_node=2)
    usage.charge(0, Write(5, Extent(10**12)), 2 * 10**9)
    usage.charge(0, Mkdir("a"), 10**9)
    usage.charge(1, Read(5, -1), 10**9, size=77)
    usage.charge(1, Sleep(9.0), 9 * 10**9)
    usage.charge(2, Collective("barrier", (0, 1, 2, 3)), 10**3)
    usage.wait(2, 5 * 10**9)
    usage.wait(2, 3 * 10**9)
    usage.stall(3, 4 * 10**9)

    ranks = usage.per_rank()
    assert [r.operations for r in ranks] == [2, 2, 1, 0]
    assert [r.metadata_operations for r in ranks] == [1, 0, 0, 0]
    assert [r.busy for r in ranks] == [3.0, 1.0, 0.0, 0.0]
    assert (ranks[0].bytes_written, ranks[1].bytes_read) == (10**12, 77)
    assert (ranks[2].waited, ranks[2].longest_wait, ranks[3].stalled) == (8.0, 5.0, 4.0)
    assert [r.node for r in ranks] == [0, 0, 1, 1]
    assert usage.per_node() == [NodeUsage(0, 4, 1, 10**12, 77, 0.0, 0.0), NodeUsage(1, 1, 0, 0, 0, 5.0, 4.0)]
