"""Programs with known bugs, and a test of Hypothesis run from within a test."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis.database import ExampleDatabase

from simulator.hypothesis import Outcome, Schedule, Violated, run, schedules
from simulator.rank import Rank
from simulator.scenario import Scenario, StrategyChoice


def saver(rank: Rank) -> None:
    """Every rank renames one directory."""
    staging = rank.root / "tmp-checkpoint-1"
    os.makedirs(staging, exist_ok=True)
    (staging / f"rng_state_{rank.index}.pth").write_bytes(b"...")
    rank.barrier()
    if staging.exists():
        os.rename(staging, rank.root / "checkpoint-1")


def two_stage_marker(rank: Rank) -> None:
    """Rank 1 updates two files between two markers; rank 0 looks at both markers, and reads both files in between.

    It reads a mixture only if it is interrupted after it has seen that no update has begun, and the update in its
    middle: two preemptions.
    """
    begun, first, second, generation = (rank.root / name for name in ("begun", "first", "second", "generation"))
    if rank.index == 0:
        for path in (first, second, generation):
            path.write_bytes(b"1")
    rank.barrier()
    if rank.index == 1:
        begun.mkdir()
        os.truncate(first, 2)
        os.truncate(second, 2)
        os.truncate(generation, 2)
        begun.rmdir()
    elif not begun.exists():
        before = generation.stat().st_size
        read = first.stat().st_size, second.stat().st_size
        if generation.stat().st_size == before:
            assert read[0] == read[1], "a mixture of two updates was read"


def released(strategy: str) -> Scenario:
    """The race of a released version of transformers, on 2 nodes with 1 rank each."""
    return Scenario(strategy=StrategyChoice(strategy), invariants=("no-error",))


def falsify(
    programs: Any,
    *,
    number: int = 0,
    examples: int = 1000,
    database: ExampleDatabase | None = None,
    **arguments: Any,
) -> tuple[Violated | None, int]:
    """What Hypothesis shrinks a violation to, and in how many runs; ``number`` seeds it."""
    runs = 0

    @settings(
        max_examples=examples,
        database=database,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @seed(number)  # Below the settings: it would take their database away.
    @given(schedule=schedules())
    def test(schedule: Schedule) -> None:
        nonlocal runs
        runs += 1
        run(programs, schedule, **arguments)

    try:
        test()
    except Violated as violated:
        return violated, runs
    return None, runs


def once(test: Callable[[Schedule], Outcome]) -> Outcome:
    """What a test makes of the simplest schedule."""
    outcomes: list[Outcome] = []

    @settings(max_examples=1, database=None, deadline=None)
    @given(schedule=schedules())
    def first(schedule: Schedule) -> None:
        outcomes.append(test(schedule))

    first()
    return outcomes[0]
