"""Explanations name the pair of operations that decides, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st

import simulator
from simulator.boundary import installed
from simulator.campaigns.explanation.explaining import Explanation, explain
from simulator.campaigns.interface import experiment_of
from simulator.campaigns.result import Failure
from simulator.exhaustive.search import Following
from simulator.experiment import Experiment
from simulator.faults import Faults
from simulator.rank import Rank
from simulator.run import Run
from simulator.trace import Event
from tests.campaigns.programs import (
    EveryRankMakesTheDirectory,
    OneRankMakesTheDirectory,
    failing_run,
    own,
    racy_save,
    scenario_of,
)


def explained(*arguments: Any, **named: Any) -> tuple[Failure, Explanation]:
    failure = simulator.explore(*arguments, **named).failure
    assert failure is not None
    assert isinstance(failure.explanation, Explanation)
    return failure, failure.explanation


def pair(failure: Failure) -> tuple[Event, Event]:
    """Both operations of an explanation."""
    found = failure.explanation
    assert found.first is not None, found
    assert found.second is not None, found
    events = failure.trace.attempts[found.attempt].events
    return events[found.first], events[found.second]


def said(event: Event) -> tuple[str, str]:
    return event.kind, str(event.arguments[0])


@pytest.mark.parametrize("seed", range(3))
def test_of_the_racy_save_the_look_and_the_rename_decide(seed: int) -> None:
    failure, explanation = explained(racy_save, nodes=2, seed=seed)
    first, second = pair(failure)
    assert said(first) == ("stat", "tmp-checkpoint-1")
    assert said(second) == ("rename", "tmp-checkpoint-1")
    assert (first.rank, second.rank) == (failure.rank, 1 - (failure.rank or 0))
    assert explanation.flipped == "The same run with B before A passes."


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("name", "looked"), [("4.36.0", "checkpoint-1"), ("4.36.1", "tmp-checkpoint-1"), ("4.38", "tmp-checkpoint-1")]
)
def test_of_a_rename_by_many_the_look_of_one_and_the_rename_of_the_other_decide(
    name: str, looked: str, seed: int
) -> None:
    scenario = scenario_of(f"transformers-{name}", "no-error")
    failure, explanation = explained(scenario, schedules=1500, seed=seed)
    first, second = pair(failure)
    assert said(first) == ("stat", looked)
    assert said(second) == ("rename", "tmp-checkpoint-1")
    assert {first.rank, second.rank} == {0, 1}
    assert explanation.flipped.endswith("passes.")


@pytest.mark.parametrize("seed", range(2))
def test_of_a_loss_by_mtime_the_change_of_the_doomed_directory_and_the_look_at_it_decide(seed: int) -> None:
    scenario = scenario_of("transformers-4.36.2", "keep", steps=3, save_on_each_node=True)
    failure, _ = explained(scenario, schedules=1500, seed=seed)
    first, second = pair(failure)
    assert first.kind == "unlink"
    assert said(second) == ("stat", "checkpoint-1")
    assert {first.rank, second.rank} == {0, 1}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("strategy", [EveryRankMakesTheDirectory, OneRankMakesTheDirectory])
def test_directories_that_are_made_twice_are_not_blamed_for_a_race_of_deletions(strategy: type, seed: int) -> None:
    failure, _ = explained(scenario_of(own(strategy), steps=3), schedules=1500, seed=seed)
    first, second = pair(failure)
    assert {first.rank, second.rank} == {0, 1}
    if failure.invariant == "no-error":
        assert (first.kind, second.kind) == ("readdir", "rmdir"), "it lists what the other one deletes"
        assert second.arguments[0] == "step-1"
    else:
        assert (first.kind, second.kind) == ("unlink", "stat"), "the doomed directory becomes the newest"
        assert second.arguments[0] == "step-1"


def shard_and_marker(rank: Rank) -> None:
    (rank.root / ("marker" if rank.index else "shard")).write_text("x")


def marked(world: Any) -> str | None:
    names = os.listdir(world.root)
    return "marker without shard" if "marker" in names and "shard" not in names else None


def test_an_operation_that_comes_too_early_is_told_what_it_should_have_waited_for() -> None:
    failure, explanation = explained(shard_and_marker, nodes=2, invariants=[marked])
    assert explanation.second is None
    assert explanation.first is not None
    assert said(failure.trace.attempts[0].events[explanation.first]) == ("open", "marker")
    assert "before rank 0's open shard (test_explaining.py:" in explanation.text
    assert explanation.text.startswith("No single pair of operations was found whose order decides it. A comes before")
    assert explanation.text.endswith("which the failure forestalls: the same run with that before A passes.")
    assert set(explanation.table()) == {"first", "flipped", "text", "other_order"}


def test_of_two_shards_it_is_the_last_one() -> None:
    def program(rank: Rank) -> None:
        for name in ("marker",) if rank.index else ("one", "two"):
            (rank.root / name).write_text("x")

    def whole(world: Any) -> str | None:
        names = os.listdir(world.root)
        return None if "marker" not in names or "two" in names else "marked too early"

    _, explanation = explained(program, nodes=2, invariants=[whole])
    assert "before rank 0's open two" in explanation.text


def test_a_reader_that_is_too_early_is_told_who_would_have_written() -> None:
    def writer(rank: Rank) -> None:
        (rank.root / "other").mkdir()
        (rank.root / "data").write_text("x")

    def reader(rank: Rank) -> None:
        (rank.root / "another").mkdir()
        (rank.root / "data").read_text()

    _, explanation = explained([writer, reader], nodes=2)
    assert explanation.second is None
    assert "before rank 0's open data" in explanation.text


def test_a_race_of_a_later_attempt_is_found_there() -> None:
    def program(rank: Rank) -> None:
        if rank.attempt == 1:
            racy_save(rank)

    failure, explanation = explained(program, nodes=2, restarts=1)
    assert explanation.attempt == 1
    first, second = pair(failure)
    assert (said(first)[0], said(second)[0]) == ("stat", "rename")


def test_a_race_of_an_earlier_attempt_is_found_there() -> None:
    def program(rank: Rank) -> None:
        if rank.attempt == 0:
            rank.barrier()
            if rank.index:
                (rank.root / "value").write_text("x")
            elif not (rank.root / "value").exists():
                (rank.root / "late").mkdir()
        elif (rank.root / "late").exists():
            raise RuntimeError("it was late")

    failure, explanation = explained(program, nodes=2, restarts=1, scheduler="random")
    # The undisturbed run is the one that fails: the other order passes all the same.
    assert explanation.attempt == 0
    first, second = pair(failure)
    assert said(first) == ("stat", "value")
    assert said(second) == ("open", "value")


def test_where_no_order_decides_none_is_named() -> None:
    def program(rank: Rank) -> None:
        (rank.root / f"{rank.index}").mkdir()
        if rank.index:
            raise RuntimeError("always")

    _, explanation = explained(program, nodes=2)
    assert (explanation.first, explanation.second) == (None, None)
    assert explanation.text == (
        "No single pair of operations was found whose order decides it: the undisturbed run fails too."
    )


def test_a_fault_that_decides_is_named() -> None:
    def program(rank: Rank) -> None:
        if rank.attempt == 0:
            (rank.root / f"{rank.index}.tmp").mkdir()
            os.rename(rank.root / f"{rank.index}.tmp", rank.root / f"{rank.index}")
        elif os.path.exists(rank.root / f"{rank.index}.tmp"):
            raise RuntimeError("it was left behind")

    faults = Faults(kills=1, job_death=False)
    _, explanation = explained(program, nodes=2, restarts=1, faults=faults, schedules=300)
    assert "fault decides" in explanation.text
    assert (explanation.first, explanation.second) == (None, None)


# -- what is said is true of the runs, whatever the program -----------------------------------------------------------

ACTIONS: dict[str, Callable[[Rank], Any]] = {
    "make a": lambda rank: os.makedirs(rank.root / "a", exist_ok=True),
    "make b": lambda rank: os.makedirs(rank.root / "b", exist_ok=True),
    "move": lambda rank: os.path.exists(rank.root / "a") and os.rename(rank.root / "a", rank.root / "b"),
    "drop a": lambda rank: os.path.exists(rank.root / "a") and os.rmdir(rank.root / "a"),
    "drop b": lambda rank: os.path.exists(rank.root / "b") and os.rmdir(rank.root / "b"),
    "touch": lambda rank: open(rank.root / "a" / "f", "w").close() if os.path.exists(rank.root / "a") else None,
    "compare": lambda rank: os.mkdir(rank.root / "c") if _newest(rank) == "a" else None,
    "list": lambda rank: os.rmdir(rank.root / "c") if "c" in os.listdir(rank.root) else None,
}


def _newest(rank: Rank) -> str:
    return max(os.listdir(rank.root), key=lambda name: os.stat(rank.root / name).st_mtime, default="")


PROGRAMS = st.lists(st.sampled_from(sorted(ACTIONS)), min_size=1, max_size=3)


def program_of(names: list[str]) -> Callable[[Rank], None]:
    def program(rank: Rank) -> None:
        for name in names:
            ACTIONS[name](rank)

    return program


# Most programs of this size have no race.
@settings(max_examples=40, suppress_health_check=[HealthCheck.filter_too_much])
@given(programs=st.tuples(PROGRAMS, PROGRAMS), seed=st.integers(0, 100))
def test_a_pair_that_is_named_decides(programs: tuple[list[str], list[str]], seed: int) -> None:
    experiment = experiment_of([program_of(names) for names in programs], nodes=2)
    failing = failing_run(experiment, seed, most=100)
    assume(failing is not None)
    assert failing is not None
    with installed():
        found = explain(experiment, failing)
        assume(found.second is not None and "passes" in found.flipped)
        steps = failing.attempts[0].steps
        assert found.first is not None
        assert found.second is not None
        first, second = steps[found.first], steps[found.second]
        assert first.task != second.task
        before = [step.task for step in steps[: found.first]]
        others = [step.task for step in steps[found.first : found.second] if step.task == second.task]
        pair = [first.task, second.task]
        assert any(run.violation is not None for run in runs_of(experiment, [*before, *others, *pair])), "A, then B"
        assert any(run.violation is None for run in runs_of(experiment, [*before, *others, *pair[::-1]])), "B, then A"


def test_where_another_operation_may_have_been_taken_for_the_one_that_decides_none_is_named() -> None:
    """Were B before A, the second rank would look at the same path for another reason."""
    programs = (["make a", "touch"], ["touch", "compare", "drop a"])
    experiment = experiment_of([program_of(names) for names in programs], nodes=2)
    failing = failing_run(experiment, 16, most=100)
    assert failing is not None
    with installed():
        found = explain(experiment, failing)
    assert (found.first, found.second) == (None, None)


def test_another_look_at_the_same_path_is_not_taken_for_the_one_that_was_recorded() -> None:
    """Were B before A, the second rank would not come to the look that is B, but to a later one that looks alike."""
    experiment = experiment_of([program_of(names) for names in (["make a", "touch"], ["compare", "compare", "drop a"])])
    failing = failing_run(experiment, 30, most=100)
    assert failing is not None
    with installed():
        found = explain(experiment, failing)
    assert found.first is not None
    assert found.second is not None
    steps = failing.attempts[0].steps
    kinds = [type(steps[position].operation).__name__ for position in (found.first, found.second)]
    assert kinds == ["Open", "Rmdir"]


def runs_of(experiment: Experiment, beginning: list[int]) -> Iterator[Run]:
    """Runs that begin with a schedule of two ranks and go on in some hundred ways."""
    random = Random(0)
    tails = [random.choices((0, 1), k=24) for _ in range(300)]
    return (experiment.run(Following([beginning + tail])) for tail in [[0] * 24, [1] * 24, *tails])
