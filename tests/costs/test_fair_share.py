"""The fluid model against the same thing computed the slow way, and against what is worked out by hand."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from simulator.costs.fair_share import FairShare


class Flow(msgspec.Struct, frozen=True):
    """``size`` bytes from ``node``, wanted from ``start`` on, at no more than ``limit``."""

    node: int
    size: int
    limit: float
    start: int


def fair_rates(flows: list[Flow], node_capacity: float, total_capacity: float) -> list[float]:
    """Progressive filling: raise all rates together, freeze a flow when one of its caps is reached."""
    caps = [({i}, flow.limit) for i, flow in enumerate(flows)]
    caps += [({i for i, flow in enumerate(flows) if flow.node == n}, node_capacity) for n in {f.node for f in flows}]
    caps.append((set(range(len(flows))), total_capacity))
    caps = [(members, capacity) for members, capacity in caps if math.isfinite(capacity)]
    rates = [0.0] * len(flows)
    active = set(range(len(flows)))
    while active:
        rooms = [
            (capacity - sum(rates[i] for i in members)) / len(members & active)
            for members, capacity in caps
            if members & active
        ]
        for i in active:
            rates[i] += min(rooms)
        for members, capacity in caps:
            if sum(rates[i] for i in members) >= capacity * (1 - 1e-12):
                active -= members
    return rates


def end_times(flows: list[Flow], node_capacity: float, total_capacity: float) -> list[float]:
    """When each flow is complete."""
    left = [float(flow.size) for flow in flows]
    ends = [math.nan] * len(flows)
    now = 0.0
    while any(map(math.isnan, ends)):
        running = [i for i, flow in enumerate(flows) if flow.start <= now and math.isnan(ends[i])]
        rates = fair_rates([flows[i] for i in running], node_capacity, total_capacity)
        events = [now + left[i] / rate for i, rate in zip(running, rates, strict=True)]
        events += [float(flow.start) for flow in flows if flow.start > now]
        upto = min(events)
        for i, rate in zip(running, rates, strict=True):
            left[i] -= rate * (upto - now)
            if left[i] <= 1e-6:
                ends[i] = upto
        now = upto
    return ends


LIMITS = st.sampled_from([0.1, 0.5, 0.6, 2.0])
CAPACITIES = st.sampled_from([0.3, 1.0, 2.5, 7.0, math.inf])
FLOWS = st.lists(
    st.builds(Flow, st.integers(0, 3), st.integers(1, 10**6), LIMITS, st.sampled_from([0, 0, 0, 1000, 77_777])),
    min_size=1,
    max_size=12,
)


def simulated_ends(flows: list[Flow], node_capacity: float, total_capacity: float) -> list[int]:
    share = FairShare(node_capacity, total_capacity)
    waiting = sorted(range(len(flows)), key=lambda i: flows[i].start)
    ends = [-1] * len(flows)
    while waiting or len(share):
        found = share.next_end()
        if waiting and (found is None or flows[waiting[0]].start <= found[0]):
            task = waiting.pop(0)
            flow = flows[task]
            share.begin(task, flow.node, flow.size, flow.limit, flow.start)
        else:
            assert found is not None
            ends[found[1]] = found[0]
            share.end(found[1], found[0])
    return ends


@settings(max_examples=300)
@given(FLOWS, CAPACITIES, CAPACITIES)
def test_ends_are_those_of_progressive_filling(flows: list[Flow], node: float, total: float) -> None:
    expected = end_times(flows, node, total)
    found = simulated_ends(flows, node, total)
    # Each end is rounded up to a whole nanosecond, which the flows after it inherit.
    assert found == [pytest.approx(end, rel=1e-9, abs=len(flows) + 1) for end in expected]


@given(FLOWS, CAPACITIES, CAPACITIES)
def test_no_capacity_is_exceeded_and_none_is_wasted(flows: list[Flow], node: float, total: float) -> None:
    share = FairShare(node, total)
    for task, flow in enumerate(flows):
        share.begin(task, flow.node, flow.size, flow.limit, 0)
    rates = [share.rate(task) for task in range(len(flows))]
    assert sum(rates) <= total * (1 + 1e-9)
    by_node: dict[int, float] = {}
    for flow, rate in zip(flows, rates, strict=True):
        by_node[flow.node] = by_node.get(flow.node, 0.0) + rate
    assert all(used <= node * (1 + 1e-9) for used in by_node.values())
    for flow, rate in zip(flows, rates, strict=True):
        capped = rate >= flow.limit * (1 - 1e-9)
        node_full = by_node[flow.node] >= node * (1 - 1e-9)
        assert capped or node_full or sum(rates) >= total * (1 - 1e-9)


def test_a_second_flow_halves_the_first_and_its_end_gives_all_back() -> None:
    share = FairShare(1.0, math.inf)
    share.begin(0, 0, 1000, 5.0, 0)
    share.begin(1, 0, 300, 5.0, 100)
    assert share.next_end() == (700, 1)
    share.end(1, 700)
    assert share.next_end() == (1300, 0)


def test_bandwidth_that_one_node_cannot_use_goes_to_the_others() -> None:
    share = FairShare(2.0, 3.0)
    share.begin(0, 0, 1000, 0.5, 0)
    for task in (1, 2, 3, 4):
        share.begin(task, 1, 1000, 5.0, 0)
    assert [share.rate(task) for task in range(5)] == [0.5] * 5
    for task in (2, 3, 4):
        share.end(task, 0)
    assert [share.rate(0), share.rate(1)] == [0.5, 2.0]


def test_a_flow_that_is_cut_off_leaves_nothing_behind() -> None:
    share = FairShare(1.0, 1.0)
    share.begin(0, 0, 1000, 5.0, 0)
    share.end(0, 10)
    assert (len(share), share.next_end()) == (0, None)
    share.begin(0, 0, 50, 5.0, 20)
    assert share.next_end() == (70, 0)


def test_misuse_is_refused() -> None:
    share = FairShare(math.inf, math.inf)
    share.begin(0, 0, 10, 1.0, 5)
    with pytest.raises(ValueError, match="already has a flow"):
        share.begin(0, 0, 10, 1.0, 5)
    with pytest.raises(ValueError, match="backwards"):
        share.begin(1, 0, 10, 1.0, 4)
    with pytest.raises(ValueError, match="finite rate"):
        share.begin(1, 0, 10, math.inf, 5)
    with pytest.raises(ValueError, match="needs bytes"):
        share.begin(1, 0, 0, 1.0, 5)
