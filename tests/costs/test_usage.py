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


def test_a_nodes_bandwidth_is_over_the_time_in_which_any_of_its_ranks_wrote() -> None:
    usage = Usage(ranks=2, ranks_per_node=2)
    second, size = 10**9, 2 * 10**9
    usage.charge(0, Write(5, Extent(size)), 4 * second, ended=4 * second)
    usage.charge(1, Write(5, Extent(size)), 2 * second, ended=3 * second)
    usage.charge(1, Write(5, Extent(size)), 2 * second, ended=12 * second)
    usage.charge(1, Write(5, b"small"), second, ended=20 * second)
    (node,) = usage.per_node()
    assert node.bandwidth == 6 / (4 + 2)
    assert [rank.writing for rank in usage.per_rank()] == [4.0, 5.0]
    assert usage.per_rank()[0].bandwidth == 0.5
    assert [(flow.began, flow.ended) for flow in usage.flows] == [
        (0, 4 * second), (second, 3 * second), (10 * second, 12 * second),
    ]  # fmt: skip


def test_a_rank_that_wrote_nothing_has_no_bandwidth() -> None:
    assert Usage(1, 1).per_rank()[0].bandwidth == 0.0
