"""What one operation of a run at the size of a real job costs: the same for sixteen ranks and for a thousand.

Absolute times are noise on shared machines, so what is held by default is a ratio; `make bench` holds the seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest

from simulator.boundary import installed
from simulator.campaigns.scale.at_scale import COSTS, rehearse
from simulator.campaigns.scale.onlooking import Onlooker
from simulator.engines.charging import Charging
from simulator.experiment import Experiment
from simulator.operations import Operation
from simulator.run import Run
from simulator.scenario import Budgets, Cluster, CostChoice, Scenario, StrategyChoice, Workload
from simulator.schedulers.by_time import ByTime

RANKS_PER_NODE = 8
CURVE = (16, 64, 256, 1024)
REMEDIES = ("staged-barrier", "manifest", "incremental", "per-node-dirs")
"""Strategies that hold: their ranks agree on something, so that each might be told something of every other."""


class Measured(NamedTuple):
    """One schedule: seconds of CPU time, and the operations that were carried out."""

    seconds: float
    operations: int

    @property
    def microseconds(self) -> float:
        """CPU time of one operation."""
        return self.seconds / self.operations * 1e6


def job(ranks: int, strategy: str = REMEDIES[0]) -> Scenario:
    """Qwen2.5-VL-72B under ZeRO-3: three saves of which two are kept, so that the last one rotates."""
    return Scenario(
        cluster=Cluster(ranks // RANKS_PER_NODE, RANKS_PER_NODE),
        workload=Workload(layout="trainer-zero3", form="size", model="qwen2.5-vl-72b", steps=3, keep=2),
        strategy=StrategyChoice(strategy),
        costs=CostChoice(COSTS),
        budgets=Budgets(operations=1_000_000, virtual_seconds=1e6),
    )


def one_schedule(scenario: Scenario) -> tuple[Run, Onlooker, float]:
    """A run in the order of the clock, what watched it, and the CPU time that it took, the set-up left out."""
    experiment = Experiment(scenario)
    onlookers: list[Onlooker] = []

    def judge_by(filesystem: object) -> Onlooker:
        onlookers.append(Onlooker(experiment, filesystem))  # type: ignore[arg-type]
        return onlookers[-1]

    with installed():
        rehearse(scenario)
        started = time.process_time()
        run = experiment.run(ByTime(), judge_by=judge_by)
        return run, onlookers[0], time.process_time() - started


def rounds(ranks: int, strategy: str) -> Iterator[Measured]:
    """Several schedules where one is soon over: the fastest of them has met the least of what else is running."""
    for _ in range(max(1, 128 // ranks)):
        run, onlooker, seconds = one_schedule(job(ranks, strategy))
        assert (run.incomplete, onlooker.violation) == (None, None)
        assert onlooker.left == "a restart would resume from step 3"
        yield Measured(seconds, run.operations)


@cache
def measured(ranks: int, strategy: str = REMEDIES[0]) -> Measured:
    """The fastest schedule of a job of so many ranks."""
    return min(rounds(ranks, strategy))


def test_an_operation_costs_no_more_for_a_thousand_ranks_than_for_sixteen() -> None:
    curve = {ranks: measured(ranks) for ranks in CURVE}
    print()
    for ranks, found in curve.items():
        print(
            f"{ranks:5,} ranks: {found.operations:7,} operations in {found.seconds:.2f} s, "
            f"{found.microseconds:.1f} µs an operation"
        )
    few, many = curve[CURVE[0]], curve[CURVE[-1]]
    # The operations grow with the ranks and no faster, so what is left for the cost of each is the ratio.
    assert many.operations / few.operations < 1.1 * CURVE[-1] / CURVE[0]
    assert many.microseconds < 2.0 * few.microseconds


@pytest.mark.parametrize("strategy", REMEDIES)
def test_what_ranks_tell_each_other_grows_with_the_operations(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    wait = Charging.wait

    def noting(self: Charging, task: Any, operation: Operation, moment: int, size: int) -> int:
        told.append(size)
        return wait(self, task, operation, moment, size)

    monkeypatch.setattr(Charging, "wait", noting)
    each = []
    for ranks in (16, 128):
        told.clear()
        run, _, _ = one_schedule(job(ranks, strategy))
        assert run.incomplete is None
        each.append(sum(told) / run.operations)
    few, many = each
    print(f"\n{strategy}: {few:.1f} bytes an operation with 16 ranks, {many:.1f} with 128")
    assert 0 < many < 1.5 * few


@pytest.mark.parametrize("strategy", ["manifest", "incremental"])
def test_a_manifest_costs_a_rank_the_same_however_many_ranks_it_is_of(strategy: str) -> None:
    few, many = measured(16, strategy), measured(512, strategy)
    print(f"\n{strategy}: {few.microseconds:.1f} µs an operation with 16 ranks, {many.microseconds:.1f} with 512")
    # It was 3.5 times as much when each rank decoded the whole manifest.
    assert many.microseconds < 2.2 * few.microseconds


@pytest.mark.bench
@pytest.mark.parametrize("strategy", REMEDIES)
@pytest.mark.parametrize(("ranks", "limit"), [(64, 1.0), (1024, 5.0)])
def test_a_schedule_of_a_real_job_is_over_in_seconds(ranks: int, limit: float, strategy: str) -> None:
    found = measured(ranks, strategy)
    print(f"\n{ranks:,} ranks, 3 saves with rotation: {found.seconds:.2f} s for {found.operations:,} operations")
    assert found.seconds <= limit
