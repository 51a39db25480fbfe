"""What an operation of a job costs on NFS, beside the same job on a file system without views."""

from __future__ import annotations

import time

import pytest

import simulator
from simulator.scenario import Cluster, FilesystemChoice, Scenario, StrategyChoice, Workload

ROUNDS = 5


def microseconds(profile: str, **options: int) -> float:
    """CPU time of an operation of schedules that are explored: scheduler, code under test and judge included."""
    scenario = Scenario(
        cluster=Cluster(2, 1),
        workload=Workload(steps=2, keep=1),
        strategy=StrategyChoice("staged-barrier"),
        filesystem=FilesystemChoice(profile, options=dict(options)),
    )
    started = time.process_time()
    result = simulator.explore(scenario, schedules=200)
    assert result.verdict == "clean"
    return (time.process_time() - started) / result.operations * 1e6


@pytest.mark.bench
def test_an_operation_on_nfs_costs_at_most_twice_what_it_costs_on_a_local_disk() -> None:
    jobs = {
        "local": lambda: microseconds("local"),
        "nfs, fresh": lambda: microseconds("nfs", stale=0, variations=0),
        "nfs": lambda: microseconds("nfs"),
    }
    costs = {name: min(measure() for _ in range(ROUNDS)) for name, measure in jobs.items()}
    print("\nmicroseconds an operation:", *(f"{name} {cost:.1f}" for name, cost in costs.items()), sep="  ")
    assert costs["nfs"] <= 2 * costs["local"]
