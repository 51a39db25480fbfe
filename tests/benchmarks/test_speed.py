"""How fast exploration is, beside the same operations done for real on tmpfs in the same run.

Absolute figures are noise on shared machines; what is asserted leaves room for that, what is printed is for people.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from simulator.boundary import installed
from simulator.experiment import Experiment
from simulator.scenario import Cluster, Scenario, StrategyChoice, Workload
from simulator.schedulers.random_walk import RandomWalk

SECONDS = 3.0


@contextmanager
def directory_in_memory() -> Iterator[Path]:
    """A directory on tmpfs, or wherever temporary files go."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    path = Path(tempfile.mkdtemp(dir=place))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def schedules_a_second(strategy: str, form: str, judged: tuple[str, ...] | None) -> tuple[float, float, float]:
    """(schedules, operations a schedule, microseconds an operation) of exploring for some seconds of CPU time."""
    scenario = Scenario(
        cluster=Cluster(2, 1),
        workload=Workload(steps=2, keep=None, form=form),
        strategy=StrategyChoice(strategy),
        invariants=judged,
    )
    experiment = Experiment(scenario)
    with installed():
        for seed in range(50):
            experiment.run(RandomWalk(Random(seed)))
        runs, operations, started = 0, 0, time.process_time()
        while time.process_time() - started < SECONDS:
            operations += experiment.run(RandomWalk(Random(runs))).operations
            runs += 1
        used = time.process_time() - started
    return runs / used, operations / runs, used / operations * 1e6


def real_microseconds_an_operation(repeats: int = 2000) -> float:
    """What the operations of one small save cost on tmpfs: mkdir, open, write, close, stat, rename, unlink, rmdir."""
    with directory_in_memory() as root:
        started = time.process_time()
        for _ in range(repeats):
            staging, final = root / "tmp-checkpoint-1", root / "checkpoint-1"
            os.mkdir(staging)
            for name in ("model", "optimizer", "scheduler"):
                with open(staging / name, "wb") as file:
                    file.write(b"content of a shard")
            os.stat(staging)
            os.rename(staging, final)
            for name in ("model", "optimizer", "scheduler"):
                os.unlink(final / name)
            os.rmdir(final)
        used = time.process_time() - started
    return used / (repeats * (1 + 3 * 3 + 1 + 1 + 3 + 1)) * 1e6


@pytest.mark.bench
@pytest.mark.parametrize(
    ("form", "floor"), [("bytes", 1000), ("torch", 500)], ids=["byte shards", "real torch tensors"]
)
def test_exploration_of_4_36_0_is_fast_enough(form: str, floor: float) -> None:
    real = real_microseconds_an_operation()
    schedules, operations, cost = schedules_a_second("transformers-4.36.0", form, ("no-hang",))
    print(
        f"\ntransformers-4.36.0, 2 ranks, 2 steps, {form}: {schedules:,.0f} schedules/s of {operations:.0f} "
        f"operations, {cost:.1f} µs an operation; the same calls on tmpfs {real:.1f} µs (x {cost / real:.1f})"
    )
    assert schedules >= floor


@pytest.mark.bench
def test_judging_every_instant_costs_less_than_the_run_itself() -> None:
    *_, without = schedules_a_second("transformers-4.36.2", "bytes", ("no-error",))  # looks at no restart
    schedules, operations, judged = schedules_a_second("transformers-4.36.2", "bytes", None)
    print(
        f"\ntransformers-4.36.2, judged at every instant: {schedules:,.0f} schedules/s of {operations:.0f} operations, "
        f"{judged:.1f} µs an operation, {without:.1f} µs when restarts are not judged"
    )
    assert judged < 2.5 * without
