"""The order in which the runs of a search are made, several at a time, makes no difference to what it finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest

from simulator.boundary import installed
from simulator.exhaustive.attempts import Start
from simulator.exhaustive.execution import Prefix
from simulator.exhaustive.exploration import Exploration
from simulator.exhaustive.judging import StateJudge
from simulator.exhaustive.parallel import can_be_run, reply_of
from simulator.exhaustive.tree import Node, leaves_to_run
from simulator.exhaustive.unit import Unit
from simulator.happens_before import NO_LOOKS, Looks
from tests.exhaustive import registers
from tests.exhaustive.programs import program_of, random_program
from tests.exhaustive.searching import experiment_of, searched

SEVERAL = 3


def in_any_order(programs: Sequence[Callable[..., Any]], random: Random, looks: Looks = NO_LOOKS) -> list[int]:
    """The classes of all runs, made in a random order, up to three under way at a time, and sent as messages."""
    experiment = experiment_of(programs)
    exploration = Exploration()
    unit = Unit(experiment, Start.first(experiment), frozenset(), looks, StateJudge(experiment, looks))
    under_way: dict[Node, Prefix] = {}
    keys: list[int] = []
    while exploration.leaf is not None:
        for leaf in leaves_to_run(exploration.root):
            if len(under_way) < SEVERAL and can_be_run(leaf) and leaf not in under_way and random.random() < 0.7:
                under_way[leaf] = exploration.prefix(leaf)
        if not under_way:
            continue
        leaf = random.choice(list(under_way))
        execution = unit.make(under_way.pop(leaf))
        report = unit.judge(execution)
        if looks | report.looks != looks:
            return in_any_order(programs, random, looks | report.looks)
        exploration.take_in(leaf, reply_of(report, execution, unit.brought(execution)).brought())
        keys.append(report.key)
    return keys


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "programs",
    [registers.last_zero(4), registers.racy_counter(3), registers.lock_step(3)],
    ids=["zero", "count", "lock"],
)
def test_any_order_of_runs_gives_the_same_classes_and_none_twice(programs: registers.Programs, seed: int) -> None:
    with installed():
        keys = in_any_order(programs, Random(seed))
        assert set(keys) == searched(programs).classes
        assert len(keys) == len(set(keys))


def test_any_order_of_runs_gives_the_same_classes_of_random_programs() -> None:
    with installed():
        for seed in range(60):
            programs = [program_of(actions) for actions in random_program(Random(f"order/{seed}"))]
            expected = searched(programs).classes
            keys = in_any_order(programs, Random(seed))
            assert sorted(keys) == sorted(expected)
