"""What a run covers: pairs of conflicting operations in the order that the schedule gave them, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from random import Random

from hypothesis import given, settings, strategies as st

from simulator.boundary import installed
from simulator.campaigns.fuzzing.coverage import Race, races_of, strikes_of
from simulator.campaigns.fuzzing.detour import Departure, Reversal
from simulator.campaigns.fuzzing.identity import Identities, named, pair_of
from simulator.campaigns.interface import experiment_of
from simulator.experiment import Experiment
from simulator.faults import Faults
from simulator.rank import Rank
from simulator.run import Run, Scheduler
from simulator.schedulers.last_first import LastRankFirst
from simulator.schedulers.random_walk import RandomWalk
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape

UNDISTURBED = TapeReplay(Tape())


def write_and_look(rank: Rank) -> None:
    if rank.index == 0:
        (rank.root / "a").mkdir()
    else:
        (rank.root / "a").exists()
    (rank.root / f"own-{rank.index}").mkdir()


def meet(rank: Rank) -> None:
    if rank.index == 0:
        (rank.root / "a").mkdir()
    rank.barrier()
    if rank.index == 1:
        (rank.root / "a").exists()


def several(rank: Rank) -> None:
    """Names that are made, looked at and taken away in a directory that all ranks list."""
    for number in range(2):
        (rank.root / f"{number}").mkdir(exist_ok=True)
        list(rank.root.iterdir())
        (rank.root / f"own-{rank.index}-{number}").mkdir()


def run_of(program: Callable[[Rank], None], scheduler: Scheduler, experiment: Experiment | None = None) -> Run:
    with installed():
        made: Run = (experiment or experiment_of(program)).run(scheduler, effects=True)
    return made


def pairs(run: Run, identities: Identities | None = None) -> set[int]:
    return {race.pair for race in races_of(run, identities or Identities())}


def test_the_order_of_two_conflicting_operations_is_covered_and_what_commutes_is_not() -> None:
    [race] = races_of(run_of(write_and_look, UNDISTURBED), Identities())
    [other] = races_of(run_of(write_and_look, LastRankFirst()), Identities())
    assert (race.group, other.group) == ("mkdir stat", "stat mkdir")
    assert (race.pair, race.reverse) == (other.reverse, other.pair)
    assert race.pair != race.reverse


def test_what_a_barrier_orders_is_no_race() -> None:
    assert races_of(run_of(meet, UNDISTURBED), Identities()) == []


def test_the_same_pair_has_the_same_name_in_every_run_and_process() -> None:
    assert pairs(run_of(several, UNDISTURBED)) == pairs(run_of(several, UNDISTURBED))
    code = "from simulator.campaigns.fuzzing.identity import named; print(named('open', ('a', 'b'), 3, 1))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(said) == named("open", ("a", "b"), 3, 1)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_the_two_orders_of_a_pair_have_names_of_their_own(first: int, second: int) -> None:
    assert 0 <= pair_of(first, second) < 2**64
    if first != second:
        assert pair_of(first, second) != pair_of(second, first)


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_a_race_is_reversed_wherever_nothing_forbids_it(seed: int) -> None:
    """The two operations of a race are next to each other in some schedule, so the other order can be had."""
    experiment = experiment_of(several, nodes=3)
    identities = Identities()
    run = run_of(several, RandomWalk(Random(seed)), experiment)
    for race in races_of(run, identities)[:6]:
        tape = TapeReplay(run.tape)
        other = run_of(several, Reversal(race, tape, RandomWalk(Random(seed)), Random(seed)), experiment)
        assert position(other, race.second_task, race.second_n) < position(other, race.first_task, race.first_n)


def position(run: Run, task: int, n: int) -> int:
    return next(index for index, step in enumerate(run.attempts[0].steps) if (step.task, step.n) == (task, n))


def test_a_race_that_cannot_be_reversed_does_not_stop_the_run() -> None:
    never = Race(0, 0, 0, 1, 99, 1, 2, "")
    run = run_of(write_and_look, Reversal(never, UNDISTURBED, UNDISTURBED, Random(0)))
    assert len(run.attempts[0].steps) == len(run_of(write_and_look, UNDISTURBED).attempts[0].steps)


def test_a_departure_repeats_as_many_steps_as_it_says() -> None:
    run = run_of(several, RandomWalk(Random(3)))
    for steps in range(len(run.attempts[0].steps) + 1):
        other = run_of(several, Departure(0, steps, TapeReplay(run.tape), LastRankFirst()))
        tasks, others = ([step.task for step in each.attempts[0].steps] for each in (run, other))
        assert tasks[:steps] == others[:steps]


def test_where_a_rank_dies_is_covered() -> None:
    experiment = experiment_of(several, faults=Faults(kills=1), restarts=1)
    covered = []
    with installed():
        for n in range(4):
            run = experiment.run(UNDISTURBED, Tape({(0, "kill", 1, n): 1}), effects=True)
            covered.append(tuple(strikes_of(run, Identities())))
    assert [len(each) for each in covered] == [1] * 4
    assert len(set(covered)) == 4
