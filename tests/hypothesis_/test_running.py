"""One run on a drawn schedule: what it gives, what it raises, and when it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

import simulator
from simulator.errors import CannotDo, UsageError
from simulator.hypothesis import Schedule, Violated, run, schedules
from simulator.scenario import Budgets, Scenario, StrategyChoice
from simulator.tape import Tape
from tests.hypothesis_.bugs import falsify, once, released, saver


def private(rank: simulator.Rank) -> int:
    (rank.root / str(rank.index)).mkdir()
    return rank.index


@given(schedule=schedules())
@settings(deadline=None)
def test_a_program_without_a_race_passes_on_every_schedule(schedule: Schedule) -> None:
    outcome = run(private, schedule, nodes=3)
    assert outcome.returned == {0: 0, 1: 1, 2: 2}


@given(data=st.data())
@settings(deadline=None, max_examples=20)
def test_a_schedule_can_be_drawn_within_a_test(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.integers(0, 9), min_size=2, max_size=2, unique=True))

    def program(rank: simulator.Rank) -> None:
        (rank.root / str(names[rank.index])).mkdir()

    run(program, data.draw(schedules()))


def test_the_simplest_schedule_is_the_undisturbed_one() -> None:
    assert once(lambda schedule: run(private, schedule)).tape == Tape()


def test_a_violation_is_an_assertion_error_with_the_reason_and_the_lanes() -> None:
    violated, _ = falsify(saver)
    assert isinstance(violated, AssertionError)
    text = str(violated)
    assert text.startswith("violated  no-error: a rank raised")
    assert "The order of A and B decides" in text
    assert "┿━━┿  barrier of 2 ranks" in text
    assert violated.failure.error.endswith("'tmp-checkpoint-1' -> 'checkpoint-1'")


def test_the_failure_replays_on_a_real_disk() -> None:
    violated, _ = falsify(saver)
    assert violated is not None
    assert simulator.replay(violated.failure, on="real").digest == violated.failure.trace.digest


def test_different_bugs_are_reported_each_for_itself() -> None:
    scenario = Scenario(strategy=StrategyChoice("transformers-4.38"))

    @settings(database=None, deadline=None, derandomize=True)
    @given(schedule=schedules())
    def test(schedule: Schedule) -> None:
        run(scenario, schedule)

    with pytest.raises(ExceptionGroup) as found:
        test()
    failures = [error.failure for error in found.value.exceptions if isinstance(error, Violated)]
    assert len(failures) == len(found.value.exceptions) == len({failure.signature for failure in failures})


def test_the_example_database_replays(tmp_path: Path) -> None:
    first, runs = falsify(saver, database=DirectoryBasedExampleDatabase(tmp_path))
    assert first is not None
    assert runs > 2
    kept, replays = falsify(saver, database=DirectoryBasedExampleDatabase(tmp_path), number=1, examples=1)
    assert kept is not None
    assert str(kept) == str(first)
    assert replays < runs


def test_watching_the_code_under_test_adds_no_operations() -> None:
    """The phase ``explain`` traces every line, and asks the file system which file it belongs to."""

    @settings(database=None, deadline=None, phases=list(Phase))
    @seed(0)
    @given(schedule=schedules())
    def test(schedule: Schedule) -> None:
        run(released("transformers-4.36.0"), schedule)

    with pytest.raises(Violated):
        test()


def test_a_scenario_and_a_strategy_can_be_run() -> None:
    scenario = Scenario(strategy=StrategyChoice("staged-barrier"))
    assert once(lambda schedule: run(scenario, schedule)).returned == {0: None, 1: None}
    with pytest.raises(UsageError, match="no method 'save'"):
        once(lambda schedule: run(Path, schedule))  # type: ignore[arg-type]


def test_where_nothing_can_be_interleaved_there_is_one_schedule() -> None:
    assert once(lambda schedule: run(private, schedule, nodes=1)).tape == Tape()


def test_where_no_file_is_touched_nothing_is_tested() -> None:
    with pytest.raises(CannotDo, match="none of 2 ranks made a call about a file"):
        once(lambda schedule: run(lambda rank: rank.barrier(), schedule))


def test_a_used_up_budget_is_no_pass() -> None:
    scenario = Scenario(strategy=StrategyChoice("staged-barrier"), budgets=Budgets(operations=20))
    with pytest.raises(CannotDo, match="operations: 20"):
        once(lambda schedule: run(scenario, schedule))


def test_code_that_is_not_deterministic_is_told_so() -> None:
    count = 0

    def program(rank: simulator.Rank) -> None:
        nonlocal count
        count += 1
        (rank.root / str(count)).mkdir()

    with pytest.raises(CannotDo, match="not deterministic"):
        once(lambda schedule: run(program, schedule))


def test_own_invariants_and_what_a_restart_picks_are_judged() -> None:
    def direct(rank: simulator.Rank) -> None:
        checkpoint = rank.root / "checkpoint-1"
        os.makedirs(checkpoint, exist_ok=True)
        (checkpoint / f"{rank.index}.pt").write_bytes(b"state")
        rank.barrier()
        rank.saved(1)

    def pick(root: Path) -> Path | None:
        found = root / "checkpoint-1"
        return found if found.exists() else None

    def empty(world: object) -> str | None:
        return "never fulfilled"

    violated, _ = falsify(direct, pick=pick, examples=10)
    assert violated is not None
    assert violated.failure.invariant == "complete"
    violated, _ = falsify(direct, invariants=[empty], examples=10)
    assert violated is not None
    assert violated.failure.invariant == "empty"


@pytest.mark.parametrize("check", [HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_no_health_check_fails(check: HealthCheck) -> None:
    """``falsify`` suppresses them all, so that nothing depends on how busy the machine is; these two do not."""

    @settings(database=None, deadline=None, max_examples=20, suppress_health_check=set(HealthCheck) - {check})
    @given(schedule=schedules())
    def test(schedule: Schedule) -> None:
        run(private, schedule)

    test()
