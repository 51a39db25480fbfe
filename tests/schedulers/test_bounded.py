"""Context-bounded schedules: never more switches than allowed, and every single switch comes up."""

from __future__ import annotations

import os
from random import Random

from hypothesis import given, strategies as st

from simulator.boundary import installed
from simulator.experiment import Experiment
from simulator.rank import Rank
from simulator.scenario import Cluster, Scenario
from simulator.schedulers.bounded import ContextBounded


def program(rank: Rank) -> None:
    for number in range(4):
        os.mkdir(rank.root / f"{rank.index}-{number}")


EXPERIMENT = Experiment(Scenario(cluster=Cluster(1, 3)), programs=[program] * 3)


@given(st.integers(0, 2**32), st.integers(0, 4))
def test_no_more_choices_than_the_bound_are_made(seed: int, switches: int) -> None:
    with installed():
        run = EXPERIMENT.run(ContextBounded(Random(seed), switches, 12))
    assert len(run.tape) <= switches
    assert run.operations == 12


def test_every_point_and_every_other_rank_is_tried() -> None:
    """12 steps; at all but the last four, two or more others can go on (three at the start: none went before)."""
    seen = set()
    random = Random(0)
    with installed():
        for _ in range(600):
            seen |= set(EXPERIMENT.run(ContextBounded(random, 1, 12)).tape.choices.items())
    interrupted = {(task, n) for (_, _, task, n), _ in seen}
    assert {(0, n) for n in (1, 2, 3)} <= interrupted
    assert {target for (_, _, task, n), target in seen if (task, n) == (0, 1)} == {2, 3}
