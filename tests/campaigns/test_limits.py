"""A run that tested nothing, or that never ends, is no pass."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator.errors import CannotDo, Escape, UsageError
from simulator.rank import Rank
from simulator.scenario import Budgets, Cluster, Scenario, StrategyChoice


def test_a_program_that_touches_no_file_is_an_error() -> None:
    def program(rank: Rank) -> None:
        rank.barrier()
        time.sleep(1)

    with pytest.raises(CannotDo, match="none of 2 ranks made a call about a file"):
        simulator.explore(program, schedules=10)


def test_a_write_to_the_real_disk_is_an_escape_that_names_the_call(tmp_path: Path) -> None:
    target = tmp_path / "escaped"

    def program(rank: Rank) -> None:
        (rank.root / f"{rank.index}").mkdir()
        os.mkdir(target)

    with pytest.raises(Escape, match=r"os\.mkdir.*escaped"):
        simulator.explore(program, schedules=10)
    assert not target.exists()


def test_an_escape_counts_even_when_code_under_test_swallows_it(tmp_path: Path) -> None:
    def program(rank: Rank) -> None:
        (rank.root / f"{rank.index}").mkdir()
        try:
            (tmp_path / "escaped").write_bytes(b"")
        except Exception:
            (rank.root / "went on").mkdir()

    with pytest.raises(Escape):
        simulator.explore(program, schedules=10)


def test_a_loop_that_polls_for_ever_is_incomplete() -> None:
    def program(rank: Rank) -> None:
        (rank.root / f"{rank.index}").mkdir()
        while not (rank.root / "never").exists():
            time.sleep(1)

    for budgets, reason in (
        (Budgets(operations=500), "operations: 500"),
        (Budgets(virtual_seconds=600), "virtual time: 600 s"),
    ):
        result = simulator.explore(_plain(program, budgets), schedules=3)
        assert result.verdict == "incomplete"
        assert result.reason is not None
        assert result.reason.startswith(reason)


def test_a_rank_that_computes_for_ever_is_incomplete_and_named() -> None:
    def program(rank: Rank) -> None:
        (rank.root / f"{rank.index}").mkdir()
        while rank.index == 1:
            pass

    result = simulator.explore(_plain(program, Budgets(wall_seconds=0.2)), schedules=3)
    assert result.verdict == "incomplete"
    assert result.reason is not None
    assert "the wall time is used up; rank 1 was at" in result.reason
    assert "test_limits.py" in result.reason


def test_a_budget_that_ends_the_undisturbed_run_is_not_taken_for_chance() -> None:
    scenario = Scenario(
        cluster=Cluster(16, 4), strategy=StrategyChoice("staged-barrier"), budgets=Budgets(wall_seconds=0.2)
    )
    result = simulator.explore(scenario, schedules=3)
    assert (result.verdict, result.schedules) == ("incomplete", 1)


@pytest.mark.parametrize("maker", [0, 1])
def test_polling_ends_when_what_it_waits_for_comes_whatever_the_scheduler(maker: int) -> None:
    def program(rank: Rank) -> None:
        if rank.index == maker:
            for number in range(5):
                (rank.root / f"{number}").mkdir()
            (rank.root / "marker").mkdir()
        else:
            while not (rank.root / "marker").exists():
                time.sleep(0.1)

    for scheduler in ("random", "sticky", "pct", "pos", "surw"):
        assert simulator.explore(program, schedules=50, scheduler=scheduler).verdict == "clean"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"nodes": 0}, "cluster.nodes"),
        ({"ranks_per_node": 0}, "cluster.ranks_per_node"),
        ({"schedules": 0}, "schedules"),
        ({"scheduler": "best"}, "best"),
        ({"filesystem": "floppy"}, "floppy"),
        ({"restarts": -1}, "restarts"),
        ({"faults": simulator.Faults(kills=-1)}, "faults.kills"),
        ({"faults": simulator.Faults(power_losses=-1)}, "faults.power_losses"),
        ({"faults": simulator.Faults(errors=(simulator.ErrorRule("write", "ENOSUCH"),))}, "ENOSUCH"),
        ({"faults": simulator.Faults(errors=(simulator.ErrorRule("wrte", "ENOSPC"),))}, "unknown operation 'wrte'"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, named: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(UsageError, match=named):
        simulator.explore(lambda rank: None, **arguments)


def _plain(program, budgets: Budgets):  # type: ignore[no-untyped-def]
    from simulator.experiment import Experiment

    return Experiment(Scenario(budgets=budgets), programs=[program] * 2)


def test_an_invariant_that_answers_true_is_told_by_its_docstring_or_its_name() -> None:
    def has_a(world: Any) -> bool:
        """There must be no a.

        Never.
        """
        return bool((world.root / "a").exists())

    def program(rank: Any) -> None:
        (rank.root / f"b{rank.index}").mkdir()
        (rank.root / "a").mkdir(exist_ok=True)

    failure = simulator.explore(program, invariants=[has_a], schedules=5).failure
    assert failure is not None
    assert (failure.invariant, failure.error) == ("has_a", "There must be no a.")
    has_a.__doc__ = None
    failure = simulator.explore(program, invariants=[has_a], schedules=5).failure
    assert failure is not None
    assert failure.error == "has_a does not hold"


def _waits_or_fails(fails: bool) -> Callable[[Rank], None]:
    """Rank 0 polls for ever if rank 1 has been between two of its steps; rank 1 fails, if it does, when it is first."""

    def program(rank: Rank) -> None:
        mine, other = rank.root / str(rank.index), rank.root / str(1 - rank.index)
        mine.mkdir()
        if rank.index == 0:
            while other.exists():
                time.sleep(1)
        elif fails and not other.exists():
            raise RuntimeError("first")

    return program


def test_a_schedule_that_reaches_a_limit_does_not_end_the_search_for_a_violation() -> None:
    for seed in range(10):
        result = simulator.explore(_plain(_waits_or_fails(True), Budgets(operations=60)), schedules=200, seed=seed)
        assert result.verdict == "violated"
        assert result.failure is not None
        assert "RuntimeError: first" in result.failure.error


def test_schedules_that_reach_a_limit_are_counted_and_there_is_an_end_of_them() -> None:
    result = simulator.explore(_plain(_waits_or_fails(False), Budgets(operations=60)), schedules=1000)
    assert result.verdict == "incomplete"
    assert 10 < result.schedules < 1000
    assert result.reason is not None
    assert result.reason.startswith("operations: 60")
    assert result.reason.endswith(f"(and 9 more of {result.schedules} schedules are incomplete)")
