"""What a run of exhaustive search costs beside one of the random walk on the same program, judging apart."""

from __future__ import annotations

import time
from random import Random

import pytest

from simulator.boundary import installed
from simulator.exhaustive.search import Search
from simulator.experiment import Experiment
from simulator.faults import Faults
from simulator.scenario import Scenario, StrategyChoice, Workload
from simulator.schedulers.random_walk import RandomWalk
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape

RUNS = 500
ROUNDS = 3


def experiment_of(judged: tuple[str, ...] | None) -> Experiment:
    """A program with thousands of classes; job death is what makes judging of states dear."""
    return Experiment(
        Scenario(
            workload=Workload(steps=2, keep=1),
            strategy=StrategyChoice("transformers-4.36.2"),
            invariants=judged,
            faults=Faults(job_death=judged is None),
        )
    )


def walk_seconds(experiment: Experiment) -> float:
    """CPU time of a run of the random walk."""
    started = time.process_time()
    for seed in range(RUNS):
        experiment.run(RandomWalk(Random(seed)))
    return (time.process_time() - started) / RUNS


def last_pass(experiment: Experiment) -> Search:
    """The pass that comes to its end, at its beginning."""
    search = Search(experiment)
    while True:
        for number, _ in enumerate(search.in_this_process()):
            if number > 2 * RUNS:
                break
        search = search.again()
        if search.earlier.runs and search.wider == search.looks and search.passes > 3:
            return search


def search_seconds(search: Search) -> float:
    """CPU time of a run of the search, what it takes to plan the next ones included."""
    started = time.process_time()
    for number, _ in enumerate(search.in_this_process(), 1):
        if number == RUNS:
            break
    return (time.process_time() - started) / RUNS


@pytest.mark.bench
def test_a_run_of_the_search_costs_at_most_twice_one_of_the_random_walk() -> None:
    # To judge no-hang means to look what a restart would do at the end of each class.
    apart, judged = experiment_of(("no-error",)), experiment_of(None)
    with installed():
        for experiment in (apart, judged):
            experiment.rehearse(TapeReplay(Tape()))
        ratios = []
        for _ in range(ROUNDS):
            walk, search = walk_seconds(apart), search_seconds(last_pass(apart))
            ratios.append(search / walk)
            print(f"\nrandom walk {walk * 1e3:.2f} ms, search {search * 1e3:.2f} ms a run: {search / walk:.2f} times")
        found = last_pass(judged)
        seconds = search_seconds(found)
        rate = found.counts.states / (seconds * RUNS)
        print(f"with every state judged: {1 / seconds:,.0f} classes/s, {rate:,.0f} new states/s")
    assert min(ratios) < 2
