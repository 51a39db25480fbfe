"""What a race test takes under pytest, beside the same exploration called directly in the same process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Generator

import pytest

import simulator
import simulator.pytest_plugin.race
from tests.pytest_plugin.counting import RACE_TEST, save

SCHEDULES = 1500
PAIRS = 7
MOST = 1.2


class Clock:
    """A plugin that measures the CPU time of everything that pytest does for a test."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        started = time.process_time()
        try:
            return (yield)
        finally:
            self.seconds += time.process_time() - started


def direct_seconds() -> float:
    started = time.process_time()
    assert simulator.explore(save, nodes=2, schedules=SCHEDULES, seed=1).verdict == "clean"
    return time.process_time() - started


def plugin_seconds(pytester: pytest.Pytester) -> float:
    clock = Clock()
    session = pytester.inline_run("-q", plugins=[clock])
    session.assertoutcome(passed=1)
    return clock.seconds


@pytest.mark.bench
def test_the_plugin_costs_at_most_a_fifth_more_than_the_exploration_itself(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(RACE_TEST.format(schedules=SCHEDULES))
    direct_seconds()
    plugin_seconds(pytester)
    ratios = []
    for number in range(PAIRS):
        if number % 2:
            direct, plugin = direct_seconds(), plugin_seconds(pytester)
        else:
            plugin, direct = plugin_seconds(pytester), direct_seconds()
        ratios.append(plugin / direct)
    median = statistics.median(ratios)
    print(
        f"\n{SCHEDULES:,} schedules: {direct:.2f} s directly, {plugin:.2f} s under pytest; of {PAIRS} pairs "
        f"{min(ratios):.2f} to {max(ratios):.2f} times, in the median {median:.3f}"
    )
    assert median <= MOST
