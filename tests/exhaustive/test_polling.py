"""Ranks that poll: they wait for a change of what they look at, or give up, wherever in time their patience ends."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest

import simulator
from simulator.boundary import installed
from simulator.exhaustive.search import Search
from simulator.experiment import ROOT, Experiment
from simulator.rank import Rank
from simulator.scenario import Budgets, Cluster, Scenario
from tests.exhaustive.brute_force import TooLong, all_interleavings, starter
from tests.exhaustive.programs import Actions, filled, program_of
from tests.exhaustive.searching import experiment_of, searched

Program = Callable[[Rank], Any]


def waits_for(name: str, rounds: int | None = None) -> Callable[[Rank], bool]:
    """Looks for a file again and again, so many times; gives whether it came."""

    def program(rank: Rank) -> bool:
        looked = 0
        while not (rank.root / name).exists():
            looked += 1
            if looked == rounds:
                return False
            time.sleep(1)
        return True

    return program


def in_turn(*programs: Program) -> Program:
    """One after the other."""
    return lambda rank: [program(rank) for program in programs]


def makes(*names: str) -> Program:
    return program_of([("mkdir", name) for name in names])


def hold_equal(programs: Sequence[Program], runs: int = 20_000) -> None:
    """Outcomes and states are those of all interleavings; not the classes: how often a rank looks is left out."""
    with installed():
        brute = all_interleavings(starter(list(programs), filled, ROOT), 20, runs)
        search = searched(programs)
    assert search.outcomes == brute.outcomes
    assert search.states == brute.states
    assert search.runs == len(search.classes)


@pytest.mark.parametrize(
    "programs",
    [
        [in_turn(makes("work"), makes("marker")), in_turn(waits_for("marker", 3), makes("late"))],
        [in_turn(makes("x"), waits_for("y", 3)), in_turn(makes("y"), waits_for("x", 3))],
        [in_turn(waits_for("y", 3), makes("x")), in_turn(waits_for("x", 3), makes("y"))],
        [makes("x"), in_turn(waits_for("x", 3), waits_for("y", 3)), makes("y")],
        [in_turn(makes("x"), program_of([("rmdir", "x")])), in_turn(waits_for("x", 4), makes("z"))],
    ],
    ids=["marker", "each other", "first", "two", "gone again"],
)
def test_loops_with_a_time_out_give_what_brute_force_gives(programs: Sequence[Program]) -> None:
    hold_equal(programs)


def random_program(random: Random) -> list[Program]:
    names = ("x", "y", "a/g")
    programs = []
    for _ in range(random.choice((2, 2, 3))):
        parts: list[Program] = []
        for _ in range(random.randint(1, 2)):
            name = random.choice(names)
            actions: Actions = [(random.choice(("create", "unlink", "mkdir", "rmdir")), name)]
            parts.append(waits_for(name, random.randint(2, 4)) if random.random() < 0.4 else program_of(actions))
        programs.append(in_turn(*parts))
    return programs


@pytest.mark.parametrize("seed", range(5))
def test_random_programs_that_poll_give_what_brute_force_gives(seed: int) -> None:
    done = 0
    for number in range(100):
        try:
            hold_equal(random_program(Random(f"polling/{seed}/{number}")), runs=400)
        except TooLong:
            continue
        done += 1
        if done == 5:
            return


def test_a_loop_without_a_time_out_waits_and_the_certificate_says_so() -> None:
    result = simulator.certify([in_turn(makes("work"), makes("marker")), waits_for("marker")])
    assert (result.verdict, result.classes, result.blocked) == ("certified", 3, 0)
    assert "ranks that poll wait" in result.coverage
    assert "ranks that poll" not in simulator.certify([makes("x"), waits_for("x", 3)]).coverage


def test_a_rank_that_waits_for_what_never_comes_makes_the_search_incomplete() -> None:
    search = Search(experiment_of([makes("x"), waits_for("never")]))
    with installed():
        for _ in search.in_this_process():
            pass
    assert search.reason == "polling: nobody else can go on, and ranks [1] sleep and look again without end"


def takes(*names: str, pause: float | None = None) -> Program:
    """Locks by files that must not be there yet, taken one after the other."""

    def program(rank: Rank) -> None:
        for name in names:
            while True:
                try:
                    os.close(os.open(rank.root / name, os.O_CREAT | os.O_EXCL))
                    break
                except FileExistsError:
                    if pause is not None:
                        time.sleep(pause)
        for name in names:
            os.unlink(rank.root / name)

    return program


@pytest.mark.parametrize(
    ("pause", "reason"), [(1.0, "polling: nobody else can go on, and ranks [0, 1]"), (None, "operations: 500 were")]
)
def test_ranks_that_look_again_without_end_are_no_finding(pause: float | None, reason: str) -> None:
    scenario = Scenario(cluster=Cluster(2, 1), budgets=Budgets(operations=500))
    programs = [takes("a", "b", pause=pause), takes("b", "a", pause=pause)]
    result = simulator.certify(Experiment(scenario, programs=programs))
    assert (result.verdict, result.failure) == ("incomplete", None)
    assert (result.reason or "").startswith(reason)


def gave_up(world: Any) -> str | None:
    return "gave up" if "late" in os.listdir(world.root) else None


def gives_up_late(rank: Rank) -> None:
    """After twenty seconds, by the clock."""
    if rank.index == 0:
        os.mkdir(rank.root / "work")
        os.mkdir(rank.root / "marker")
        return
    started = time.monotonic()
    while not (rank.root / "marker").exists():
        if time.monotonic() - started > 20:
            os.mkdir(rank.root / "late")
            return
        time.sleep(1)


@pytest.mark.parametrize(
    "more", [{}, {"faults": simulator.Faults(kills=1)}, {"preemptions": 0}, {"workers": 2}], ids=str
)
def test_a_time_out_passes_while_others_are_slow_or_dead(more: dict[str, Any]) -> None:
    result = simulator.certify(gives_up_late, nodes=2, invariants=[gave_up], **more)
    assert result.failure is not None
    assert result.failure.invariant == "gave_up"
    assert simulator.replay(result.failure.trace).digest == result.failure.trace.digest


def test_what_comes_after_a_rank_gave_up_in_an_earlier_attempt_is_explored() -> None:
    def program(rank: Rank) -> None:
        if (rank.root / "late").exists():
            raise RuntimeError("the attempt before has given up")
        gives_up_late(rank)

    result = simulator.certify(program, nodes=2, faults=simulator.Faults(kills=1), restarts=1)
    assert result.failure is not None
    assert simulator.replay(result.failure.trace).digest == result.failure.trace.digest
