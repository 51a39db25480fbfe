"""Clocks of tasks, and the order of modification times."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from simulator.clock import EPOCH, RESOLUTION, SECOND, Clock, NodeClock, nanoseconds, node_clock


def test_time_starts_at_the_epoch_and_each_task_has_its_own() -> None:
    clock = Clock(3)
    assert clock.advance(1, 5) == EPOCH + 5
    assert clock.times == [EPOCH, EPOCH + 5, EPOCH]
    assert clock.latest() == EPOCH + 5
    assert clock.add(EPOCH + 7) == 3
    assert clock.latest() == EPOCH + 7


def test_a_collective_lets_all_go_on_at_the_latest_arrival() -> None:
    clock = Clock(3, start=0)
    clock.advance(0, 10)
    clock.advance(1, 30)
    assert clock.meet((0, 1), 5) == 35
    assert clock.times == [35, 35, 0]


def test_waiting_for_what_has_passed_takes_no_time() -> None:
    clock = Clock(1, start=100)
    assert clock.wait_until(0, 130) == 30
    assert clock.wait_until(0, 120) == 0
    assert clock.times == [130]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.booleans()), min_size=1))
def test_each_change_is_later_than_the_last_unless_it_ties(work: list[tuple[int, int, bool]]) -> None:
    clock = Clock(3, start=100)
    before = 0
    for task, duration, tie in work:
        clock.advance(task, duration)
        moment = clock.change(task, tie)
        if tie and before:
            assert moment == before
        else:
            assert not before or moment >= before + RESOLUTION
            assert moment >= clock.times[task]
        before = moment
    assert clock.last_change == before


def test_a_change_leaves_the_clock_of_its_task_alone() -> None:
    clock = Clock(2, start=100)
    clock.advance(0, 50)
    assert (clock.change(0), clock.change(1)) == (150, 150 + RESOLUTION)
    assert clock.times == [150, 100]


def test_a_later_attempt_goes_on_where_the_first_ended() -> None:
    first = Clock(1)
    first.change(0)
    second = Clock(1, first.latest(), first.last_change)
    assert second.change(0) > first.last_change


def test_a_wrong_clock_changes_only_what_is_read() -> None:
    clock = Clock(2, start=0, skews={1: NodeClock(offset=-500, drift=0.01)})
    clock.advance(0, 10 * SECOND)
    clock.advance(1, 10 * SECOND)
    assert clock.read(0, node=0) == 10 * SECOND
    assert clock.read(1, node=1) == 10 * SECOND + SECOND // 10 - 500
    assert clock.times == [10 * SECOND, 10 * SECOND]
    assert clock.change(1) == 10 * SECOND


def test_changes_in_a_row_differ_as_code_under_test_compares_them() -> None:
    clock = Clock(1)
    first, second = clock.change(0), clock.change(0)
    assert second / 1e9 > first / 1e9


def test_choices_of_the_tape_make_clocks_wrong_within_their_bounds() -> None:
    assert node_clock(0, 0, 60.0, 1e-3) == NodeClock()
    assert node_clock(1, 2, 60.0, 1e-3) == NodeClock(15 * SECOND, -0.25e-3)
    assert node_clock(8, 7, 60.0, 1e-3) == NodeClock(-60 * SECOND, 1e-3)
    found = {node_clock(choice, choice, 60.0, 1e-3) for choice in range(50)}
    assert len(found) == 9
    assert all(abs(clock.offset) <= 60 * SECOND and abs(clock.drift) <= 1e-3 for clock in found)


def test_durations_are_whole_nanoseconds() -> None:
    assert nanoseconds(1.5) == 1_500_000_000
    assert nanoseconds(0) == 0
    for wrong in (-1e-9, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="finite"):
            nanoseconds(wrong)
