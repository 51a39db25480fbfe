"""Pending operations on one time line: order, waiting, holding up, dying."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from simulator.costs import CostModel, Durations, Timeline, cost_model
from simulator.operations import (
    Close,
    Collective,
    Dup,
    Extent,
    Mkdir,
    Open,
    Operation,
    Read,
    Rename,
    Sleep,
    Stat,
    Write,
)

FD = 1 << 30


def model(**overrides: float) -> CostModel:
    figures = {
        "metadata_read": 1e-6, "metadata_write": 3e-6, "data_call": 0.0, "write_stream": 1.0, "torch_stream": 0.5,
        "read_stream": 1.0, "node_write": 1.0, "node_read": 1.0,
    }  # fmt: skip
    return cost_model("local", {**figures, **overrides})


def drain(timeline: Timeline) -> list[tuple[int, int]]:
    ended = []
    while (found := timeline.next_completion()) is not None:
        assert timeline.finish(found[0]) == found[1]
        ended.append(found)
    return ended


def test_the_operation_that_ends_first_comes_first() -> None:
    timeline = Timeline(model(), 1)
    timeline.begin(0, 0, Mkdir("a"), 0)
    timeline.begin(1, 1, Stat("a"), 1500)
    timeline.begin(2, 2, Sleep(1e-6), 500)
    assert drain(timeline) == [(2, 1500), (1, 2500), (0, 3000)]
    assert (len(timeline), timeline.now) == (0, 3000)


def test_equal_ends_are_in_order_of_tasks() -> None:
    timeline = Timeline(model(), 1)
    for task in (3, 1, 2):
        timeline.begin(task, task, Stat("a"), 0)
    assert drain(timeline) == [(1, 1000), (2, 1000), (3, 1000)]


def test_writers_on_a_node_share_it_and_readers_do_not_matter() -> None:
    timeline = Timeline(model(), 2)
    timeline.begin(0, 0, Write(FD, Extent(1000)), 0)
    timeline.begin(1, 1, Write(FD, b"x" * 1000), 0)
    timeline.begin(2, 2, Write(FD, Extent(1000)), 0)
    timeline.begin(3, 0, Read(FD, -1), 0, size=1500)
    assert drain(timeline) == [(2, 1000), (3, 1500), (0, 2000), (1, 2000)]


def test_the_name_of_a_file_tells_how_fast_it_is_written() -> None:
    timeline = Timeline(model(), 1)
    timeline.performed(0, Open("d/optimizer.pt", 0o101), FD)
    timeline.performed(0, Dup(FD), FD + 1)
    timeline.performed(0, Open("d/other.txt", 0o101), FD + 2)
    timeline.performed(0, Open("d/optimizer.pt", 0), FD + 3)

    def duration(rank: int, fd: int) -> int:
        start = timeline.now
        timeline.begin(0, rank, Write(fd, Extent(1000)), start)
        return timeline.finish(0) - start

    assert [duration(0, FD + i) for i in range(4)] == [2000, 2000, 1000, 1000]
    assert duration(1, FD) == 1000
    timeline.performed(0, Close(FD), None)
    assert [duration(0, FD), duration(0, FD + 1)] == [1000, 2000]


def test_a_slow_rank_takes_longer_over_latency_and_bytes() -> None:
    timeline = Timeline(model(), 1)
    timeline.begin(0, 0, Mkdir("a"), 0, slowdown=10.0)
    timeline.begin(1, 1, Write(FD, Extent(1000)), 0, slowdown=10.0)
    assert drain(timeline) == [(1, 10_000), (0, 30_000)]


def test_any_order_of_grants_is_possible_and_time_never_runs_backwards() -> None:
    timeline = Timeline(model(), 4)
    timeline.begin(0, 0, Stat("a"), 0)
    timeline.begin(1, 1, Write(FD, Extent(1000)), 0)
    timeline.begin(2, 2, Mkdir("a"), 0)
    assert timeline.finish(2) == 3000
    assert timeline.next_completion() == (0, 3000)
    timeline.begin(2, 2, Stat("a"), 3000)
    assert timeline.finish(1) == 3000
    assert timeline.finish(2) == 4000
    assert timeline.finish(0) == 4000
    assert len(timeline) == 0


def test_the_dead_leave_their_bandwidth_to_the_living() -> None:
    timeline = Timeline(model(), 4)
    timeline.begin(0, 0, Write(FD, Extent(1000)), 0)
    timeline.begin(1, 1, Write(FD, Extent(1000)), 0)
    timeline.begin(2, 2, Sleep(1e-6), 0)
    timeline.begin(3, 3, Sleep(1.0), 0)
    assert timeline.finish(2) == 1000
    timeline.cancel(0)
    timeline.cancel(3)
    timeline.cancel(9)
    assert drain(timeline) == [(1, 1500)]


def test_a_task_that_died_while_held_up_is_gone() -> None:
    timeline = Timeline(model(), 1)
    timeline.begin(0, 0, Stat("a"), 0)
    timeline.begin(1, 1, Mkdir("a"), 0)
    assert timeline.finish(1) == 3000
    timeline.cancel(0)
    assert timeline.next_completion() is None
    timeline.begin(0, 0, Stat("a"), 3000)
    assert drain(timeline) == [(0, 4000)]


def test_bytes_without_any_cap_take_no_time() -> None:
    free = model(write_stream=float("inf"), node_write=float("inf"))
    timeline = Timeline(free, 1)
    timeline.begin(0, 0, Write(FD, Extent(10**12)), 0)
    assert drain(timeline) == [(0, 0)]


def test_misuse_is_refused() -> None:
    timeline = Timeline(model(), 1)
    timeline.begin(0, 0, Stat("a"), 10)
    with pytest.raises(ValueError, match="already has an operation pending"):
        timeline.begin(0, 0, Stat("a"), 10)
    with pytest.raises(ValueError, match="no operation pending"):
        timeline.finish(1)
    timeline.finish(0)
    with pytest.raises(ValueError, match="before the present"):
        timeline.begin(0, 0, Stat("a"), 10)


def test_collectives_take_a_round_for_each_doubling() -> None:
    durations = Durations(model(collective_hop=1e-6))
    rounds = [durations.latency(Collective("barrier", tuple(range(n)))) // 1000 for n in (1, 2, 3, 4, 32, 33)]
    assert rounds == [0, 1, 2, 2, 5, 6]


def test_every_operation_of_the_vocabulary_has_a_cost() -> None:
    durations = Durations(model())
    arguments = {"times": None, "target": "a", "group": (0, 1), "flags": 0, "seconds": 1.0, "data": b""}
    for kind in Operation.__subclasses__():
        needed = kind.__struct_fields__[: len(kind.__struct_fields__) - len(kind.__struct_defaults__)]
        operation = kind(**{name: arguments.get(name, 1) for name in needed})
        assert durations.duration(operation) >= 0
    with pytest.raises(TypeError, match="not in the vocabulary"):
        durations.duration(Operation())


OPERATIONS = st.one_of(
    st.just(Stat("a")),
    st.just(Rename("a", "b")),
    st.builds(lambda size: Write(FD, Extent(size)), st.integers(0, 5000)),
    st.builds(lambda size: Read(FD, size), st.integers(0, 5000)),
    st.builds(Sleep, st.sampled_from([0.0, 1e-6])),
)


@given(OPERATIONS)
def test_alone_the_time_line_and_the_closed_form_agree(operation: Operation) -> None:
    figures = model(data_call=2e-6)
    timeline = Timeline(figures, 1)
    timeline.begin(0, 0, operation, 0)
    assert timeline.finish(0) == pytest.approx(Durations(figures).duration(operation), abs=1)


@given(st.integers(1, 8), st.integers(1, 4), st.integers(1, 10**6))
def test_equal_writers_and_the_closed_form_under_load_agree(on_node: int, nodes: int, size: int) -> None:
    figures = model(total_write=2.5)
    operation = Write(FD, Extent(size))
    timeline = Timeline(figures, 8)
    for node in range(nodes):
        for local in range(on_node):
            timeline.begin(8 * node + local, 8 * node + local, operation, 0)
    expected = Durations(figures).duration(operation, on_node, on_node * nodes)
    assert [moment for _, moment in drain(timeline)] == [pytest.approx(expected, abs=2)] * (on_node * nodes)


@given(st.lists(st.tuples(st.integers(0, 3), OPERATIONS), max_size=20), st.data())
def test_any_schedule_ends_every_operation_once_in_time_order(
    work: list[tuple[int, Operation]], data: st.DataObject
) -> None:
    timeline = Timeline(model(), 2)
    queues: dict[int, list[Operation]] = {}
    for task, operation in work:
        queues.setdefault(task, []).append(operation)
    for task in sorted(queues):
        timeline.begin(task, task, queues[task].pop(0), 0)
    pending, moments = sorted(queues), []
    while pending:
        task = data.draw(st.sampled_from(pending))
        moments.append(timeline.finish(task))
        if queues[task]:
            timeline.begin(task, task, queues[task].pop(0), moments[-1])
        else:
            pending.remove(task)
    assert len(moments) == len(work)
    assert moments == sorted(moments)
