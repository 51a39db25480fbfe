"""The pair that is named for a program decides: shown by runs of the program in either order, made here again."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.campaigns.command.record import failure_of
from simulator.campaigns.command.retracing import retraced
from simulator.campaigns.explanation.recording import keys_of
from simulator.run import Run
from simulator.schedulers.random_walk import RandomWalk
from simulator.schedulers.replay import TapeReplay
from simulator.schedulers.reversing import InOrder
from simulator.tape import Tape
from tests.interposition.kernel import holds
from tests.interposition.programs import RACY, experiment

pytestmark = holds

TWO_DIRECTORIES = """
    # What is done in the rank's own directory has nothing to do with the race, which lies elsewhere.
    own = os.path.join(root, f"own-{rank}")
    os.mkdir(own)
    os.mkdir(os.path.join(own, "x"))
    shared = os.path.join(root, "shared")
    os.makedirs(shared, exist_ok=True)
    meet()
    os.rmdir(os.path.join(own, "x"))
    if os.path.exists(shared):
        os.mkdir(os.path.join(own, "y"))
        os.rmdir(shared)
    os.rmdir(os.path.join(own, "y")) if os.path.exists(os.path.join(own, "y")) else None
"""

TOO_EARLY = """
    # Whoever reads comes before the one who writes: nothing that was done before the failure decides.
    if rank:
        os.mkdir(os.path.join(root, "other"))
        open(os.path.join(root, "data"), "w").close()
    else:
        os.mkdir(os.path.join(root, "another"))
        os.stat(os.path.join(root, "data"))
"""


def failing_run(under_test: CommandExperiment) -> Run:
    runs = (under_test.run(RandomWalk(Random(seed))) for seed in range(40))
    return next(run for run in runs if run.violation is not None)


@pytest.mark.parametrize(
    ("body", "pair"),
    [(RACY, ("stat", "rename")), (TWO_DIRECTORIES, ("stat", "rmdir")), (TOO_EARLY, None)],
    ids=["racy", "two directories", "too early"],
)
def test_the_pair_that_is_named_conflicts_and_decides(tmp_path: Path, body: str, pair: tuple[str, str] | None) -> None:
    with experiment(tmp_path, body) as under_test:
        failure = failure_of(under_test, failing_run(under_test), 1)
        found = failure.explanation
        if pair is None:
            assert (found.first, found.second) == (None, None)
            assert found.text.startswith("No single pair of operations was found whose order decides it")
            return
        events = failure.trace.attempts[0].events
        first, second = events[found.first], events[found.second]
        assert (first.kind, second.kind) == pair
        assert first.task != second.task
        assert retraced(failure.trace)[0].conflicts[found.second] >> found.first & 1

        other = under_test.run(TapeReplay(found.other_order), found.other_order)
        assert other.violation is None
        steps = other.attempts[0].steps
        done = [(step.task, step.n) for step in steps]
        at = done.index((second.task, second.n))
        assert done[at : at + 2] == [(second.task, second.n), (first.task, first.n)]
        kinds = [key[:2] for key in keys_of(steps)[: at + 2]]
        beginning = [*done[:at], done[at + 1], done[at]]
        rest = [place for event in events if (place := (event.task, event.n)) not in beginning]
        again = under_test.run(InOrder([[*beginning, *rest]]), Tape())
        assert again.violation_name == failure.invariant
        alike = [key[:2] for key in keys_of(again.attempts[0].steps)[: at + 2]]
        assert [*kinds[:at], *kinds[: at - 1 : -1]] == alike, "nothing else is another way round"
