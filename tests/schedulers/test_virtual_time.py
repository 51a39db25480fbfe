"""The order of the clock: who ends first goes first, and each rank's wait is what the others took longer."""

from __future__ import annotations

import os

import msgspec
import pytest

from simulator.boundary import installed
from simulator.costs import cost_model
from simulator.experiment import Experiment
from simulator.faults import Faults
from simulator.rank import Rank
from simulator.run import Run
from simulator.scenario import Cluster, Scenario
from simulator.schedulers.replay import TapeReplay
from simulator.schedulers.virtual_time import VirtualTime
from simulator.tape import Tape

SECOND = msgspec.structs.replace(cost_model("local"), metadata_write=1.0, metadata_read=0.0, collective_hop=0.25)
"""A cluster on which a mkdir takes a second, and a collective of two ranks a quarter of one."""


def timed(*programs: object, plan: Tape | None = None, faults: Faults | None = None) -> tuple[VirtualTime, Run]:
    scenario = Scenario(cluster=Cluster(1, len(programs)), faults=faults or Faults())
    experiment = Experiment(scenario, programs=programs)  # type: ignore[arg-type]
    clock = VirtualTime(SECOND, len(programs), len(programs))
    with installed():
        return clock, experiment.run(clock, plan)


def makes(count: int, after: int = 0) -> object:
    def program(rank: Rank) -> None:
        for number in range(count):
            os.mkdir(rank.root / f"a{rank.index}-{number}")
        rank.barrier()
        for number in range(after):
            os.mkdir(rank.root / f"b{rank.index}-{number}")

    return program


def test_a_rank_waits_for_as_long_as_the_slowest_one_works() -> None:
    clock, _ = timed(makes(1), makes(4))
    first, second = clock.usage()
    assert (first.busy, first.waited, first.longest_wait) == (
        pytest.approx(1.0),
        pytest.approx(3.0),
        pytest.approx(3.0),
    )
    assert (second.busy, second.waited) == (pytest.approx(4.0), 0.0)
    assert clock.seconds == pytest.approx(4.0)


def test_what_follows_a_collective_starts_when_its_rounds_are_done() -> None:
    clock, _ = timed(makes(1, after=1), makes(4, after=2))
    assert clock.seconds == pytest.approx(4.0 + 0.25 + 2.0)


def test_operations_take_place_in_the_order_in_which_they_end() -> None:
    _, run = timed(makes(3), makes(3))
    order = [step.rank for step in run.attempts[0].steps[:6]]
    assert [set(order[i : i + 2]) for i in (0, 2, 4)] == [{0, 1}] * 3


def test_the_clock_is_deterministic_and_its_tape_replays() -> None:
    scenario = Scenario(cluster=Cluster(1, 2))
    experiment = Experiment(scenario, programs=[makes(2, 1), makes(3, 2)])  # type: ignore[list-item]
    with installed():
        runs = [experiment.run(VirtualTime(SECOND, 2, 2)) for _ in range(2)]
        again = experiment.run(TapeReplay(runs[0].tape))
    orders = [[step.task for step in run.attempts[0].steps] for run in (*runs, again)]
    assert orders[0] == orders[1] == orders[2]


def test_a_rank_that_is_killed_ends_nothing_and_the_others_go_on() -> None:
    plan = Tape({(0, "kill", 0, 1): 1, (0, "end", -1, 0): 10})
    clock, run = timed(makes(3), makes(3), plan=plan, faults=Faults(kills=1))
    assert run.attempts[0].endings[0].killed
    assert [step.rank for step in run.attempts[0].steps].count(1) == 3
    assert clock.usage()[0].operations == 1
