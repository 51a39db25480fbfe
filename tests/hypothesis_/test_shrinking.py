"""The shrunk schedule has the fewest context switches, as exhaustive search shows, and no fault that is not needed."""

from __future__ import annotations

from typing import Any

import pytest

import simulator
from simulator.boundary import installed
from simulator.campaigns.interface import experiment_of
from simulator.experiment import Experiment
from simulator.operations import Collective
from simulator.run import Frontier
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from tests.hypothesis_.bugs import falsify, released, saver, two_stage_marker

BUGS: dict[str, Any] = {
    "transformers-4.36.0": released("transformers-4.36.0"),
    "transformers-4.38": released("transformers-4.38"),
    "two-stage marker": two_stage_marker,
}
SEEDS = [3, *(pytest.param(number, marks=pytest.mark.slow) for number in range(20) if number != 3)]


class CountingPreemptions:
    """Replays a tape and counts preemptions as exhaustive search does.

    That is, switches from a task that could have gone on and has not just come out of a collective.
    """

    def __init__(self, tape: Tape) -> None:
        self._replay = TapeReplay(tape)
        self._seen = 0
        self.preemptions = 0

    def begin(self, attempt: int) -> None:
        self._replay.begin(attempt)
        self._seen = 0

    def choose(self, frontier: Frontier, last: int) -> int:
        task = self._replay.choose(frontier, last)
        met = any(s.task == last and type(s.operation) is Collective for s in frontier.steps[self._seen :])
        self._seen = len(frontier.steps)
        self.preemptions += task != last and last in frontier.pending and not met
        return task


def preemptions(experiment: Experiment, tape: Tape) -> int:
    """How many preemptions a failing tape has."""
    scheduler = CountingPreemptions(tape)
    with installed():
        assert experiment.run(scheduler, tape).violation is not None
    return scheduler.preemptions


def fewest_preemptions(programs: Any) -> int:
    """By exhaustive search with a bound of 0, 1, 2 ...: all below the first violation are certified."""
    bound = 0
    while (verdict := simulator.certify(programs, preemptions=bound).verdict) == "certified":
        bound += 1
    assert verdict == "violated"
    return bound


def passes_with_one_choice_less(experiment: Experiment, choices: int) -> bool:
    """Brute force: whether every tape with fewer choices of the schedule passes. Tapes with none and with one."""
    assert choices in (1, 2)
    tapes = [Tape()]
    with installed():
        undisturbed = experiment.run(TapeReplay(Tape()))
        if choices == 2:
            addresses = [(0, "schedule", -1, 0)]
            addresses += [(0, "schedule", step.task, step.n + 1) for step in undisturbed.attempts[0].steps]
            tapes += [Tape({address: task + 1}) for address in addresses for task in (0, 1)]
        return all(experiment.run(TapeReplay(tape)).violation is None for tape in tapes)


@pytest.mark.parametrize("number", SEEDS)
@pytest.mark.parametrize("name", BUGS)
def test_the_shrunk_schedule_has_the_fewest_context_switches(name: str, number: int) -> None:
    programs = BUGS[name]
    violated, _ = falsify(programs, number=number)
    assert violated is not None
    tape = violated.failure.trace.choices()
    experiment = experiment_of(programs)
    assert preemptions(experiment, tape) == fewest_preemptions(programs)
    assert passes_with_one_choice_less(experiment, len(tape))


def test_a_fault_that_nothing_needs_is_shrunk_away() -> None:
    violated, _ = falsify(saver, faults=simulator.Faults(kills=1))
    assert violated is not None
    assert {kind for _, kind, _, _ in violated.failure.trace.choices().choices} == {"schedule"}


def test_a_fault_that_decides_stays() -> None:
    def check(world: Any) -> str | None:
        return None if (world.root / "done").exists() else "the end was not reached"

    def program(rank: simulator.Rank) -> None:
        for number in range(3):
            (rank.root / f"{rank.index}-{number}").mkdir()
        if rank.index == 1:
            (rank.root / "done").mkdir()

    violated, _ = falsify(program, faults=simulator.Faults(kills=1), invariants=[simulator.at_end(check)])
    assert violated is not None
    assert [kind for _, kind, _, _ in sorted(violated.failure.trace.choices().choices)] == ["kill"]


def test_of_stale_answers_only_the_one_that_decides_is_left() -> None:
    """Rank 1 has looked for a file before rank 0 made it; its node's cache may say for a while that there is none."""

    def program(rank: simulator.Rank) -> None:
        (rank.root / f"of-rank-{rank.index}").mkdir()
        made = rank.root / "made"
        if rank.index == 1:
            for _ in range(3):
                made.exists()
        rank.barrier()
        if rank.index == 0:
            made.mkdir()
        rank.barrier()
        if rank.index == 1:
            assert made.exists()

    assert falsify(program, examples=200)[0] is None
    violated, _ = falsify(program, filesystem="nfs")
    assert violated is not None
    tape = violated.failure.trace.choices()
    assert len(tape) == 1
    assert {kind for _, kind, _, _ in tape.choices} != {"schedule"}
