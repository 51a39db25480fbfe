"""The optimal interval between saves, by the figures that Daly printed and by brute force."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import pytest
from hypothesis import given

from simulator.costs.intervals import daly, goodput, job_mtbf, young

HOUR, MINUTE = 3600.0, 60.0


@pytest.mark.parametrize(("mtbf", "minutes"), [(24 * HOUR, 117), (6 * HOUR, 57), (15 * MINUTE, 9.1)])
def test_the_three_values_that_daly_printed_for_a_dump_of_five_minutes(mtbf: float, minutes: float) -> None:
    assert daly(5 * MINUTE, mtbf) / MINUTE == pytest.approx(minutes, rel=0.02)


@pytest.mark.parametrize(
    ("nodes", "rate", "hours", "stall", "interval", "ratio"),
    [
        (4, 6.50, 923, 10, 136, 0.9974),
        (8, 6.50, 462, 300, 526, 0.9808),
        (8, 6.50, 462, 600, 744, 0.973),
        (16, 6.50, 231, 600, 526, 0.962),
        (8, 3.79, 792, 300, 689, 0.985),
    ],
)
def test_the_published_table_of_small_jobs(
    nodes: int, rate: float, hours: float, stall: float, interval: float, ratio: float
) -> None:
    mtbf = job_mtbf(nodes, rate)
    assert mtbf / HOUR == pytest.approx(hours, rel=0.002)
    assert young(stall, mtbf) / MINUTE == pytest.approx(interval, rel=0.02)
    assert goodput(stall, young(stall, mtbf), mtbf, restart=600) == pytest.approx(ratio, abs=0.0006)


STALLS = st.floats(1.0, 2000.0)
MTBFS = st.floats(10 * HOUR, 1000 * HOUR)


@given(STALLS, MTBFS)
def test_no_other_interval_gives_much_more_than_dalys(stall: float, mtbf: float) -> None:
    best = goodput(stall, daly(stall, mtbf), mtbf, restart=300)
    assert 0 < best < 1
    for factor in (0.5, 0.8, 1.25, 2.0):
        assert goodput(stall, factor * daly(stall, mtbf), mtbf, restart=300) < best + 0.002


@given(st.floats(0.001, 1.0))
def test_daly_comes_to_young_where_a_save_is_short(stall: float) -> None:
    assert daly(stall, 1e9) == pytest.approx(young(stall, 1e9), rel=0.001)


def test_where_a_save_takes_longer_than_two_failures_apart_nothing_is_left() -> None:
    assert daly(100, 40) == 40
    assert goodput(100, 40, 40, restart=60) == 0
    assert goodput(1, 0, 40, restart=0) == 0
    assert math.isclose(goodput(0.0, 1e-9, 1e9, restart=0.0), 1.0)
