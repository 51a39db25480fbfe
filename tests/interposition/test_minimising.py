"""The failing schedule of a program is made small in few runs, also where undoing single choices gets stuck."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from simulator.campaigns.command.minimising import minimised
from simulator.schedulers.random_walk import RandomWalk
from simulator.schedulers.replay import TapeReplay
from tests.interposition.kernel import holds
from tests.interposition.programs import experiment

pytestmark = holds

POLLING = """
    for n in range(4):
        os.mkdir(os.path.join(root, f"{rank}-{n}"))
    done = os.path.join(root, "done")
    if rank == 0:
        os.mkdir(done)
    meet()
    for n in range(4):
        os.rmdir(os.path.join(root, f"{rank}-{n}"))
    if os.path.exists(done):
        os.rmdir(done)
"""
"""How often a rank sleeps until it meets the other depends on the schedule, so an undone choice shifts those behind."""


@pytest.mark.parametrize("most", [6, 60])
def test_one_choice_is_left_where_one_is_enough(tmp_path: Path, most: int) -> None:
    with experiment(tmp_path, POLLING) as under_test:
        runs = (under_test.run(RandomWalk(Random(seed))) for seed in range(100))
        failing = next(run for run in runs if run.violation is not None and len(run.tape) > 4)
        smallest = minimised(under_test, failing, most)
        assert len(smallest.tape) == 1
        assert smallest.violation is not None
        assert failing.violation is not None
        assert smallest.violation.signature == failing.violation.signature
        again = under_test.run(TapeReplay(smallest.tape), smallest.tape)
        assert again.violation == smallest.violation
