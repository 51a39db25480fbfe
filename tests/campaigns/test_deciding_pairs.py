"""The law of explanations: a pair that is named conflicts, precedes the failure, and its order alone decides."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

import simulator
from simulator import scenario
from simulator.boundary import installed
from simulator.campaigns.explanation.explaining import Explanation, explain
from simulator.campaigns.explanation.minimise import minimise
from simulator.campaigns.explanation.recording import keys_of, recordings_of
from simulator.campaigns.interface import experiment_of
from simulator.experiment import Experiment
from simulator.happens_before import is_scheduled
from simulator.rank import Rank
from simulator.run import Frontier, Run
from simulator.schedulers.last_first import LastRankFirst
from simulator.schedulers.random_walk import RandomWalk
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from tests.exhaustive.programs import Action, filled, program_of, random_program

CORPUS = sorted((Path(__file__).parents[2] / "fixtures" / "corpus").glob("*.toml"))
WITH_A_PAIR = {
    "hf-26961-fuse-mtime",
    "hf-27925-error",
    "hf-28119",
    "hf-29336-error",
    "hf-36076-error",
    "hf-save-on-each-node-mtime",
}
"""The entries of the corpus whose failure a single pair decides."""


def hold(experiment: Experiment, failing: Run, found: Explanation) -> bool:
    """Hold what an explanation says against the runs; whether it names a pair. The boundary must be installed."""
    if found.other_order is not None:
        other = experiment.run(TapeReplay(found.other_order), found.other_order, effects=True, detail=True)
        said = found.flipped or found.text
        assert said.endswith("passes.") == (other.violation is None), said
        assert other.incomplete is None
        assert failing.violation is not None
        assert other.violation is None or other.violation.signature != failing.violation.signature
    if found.second is None:
        assert "No single pair" in found.text or "decides" in found.text
        assert not found.flipped
        return False
    assert found.first is not None
    assert found.other_order is not None
    recorded = failing.attempts[found.attempt].steps
    assert 0 <= found.first < found.second < len(recorded), "both were done when it failed"
    order = recordings_of(experiment, failing)[found.attempt].order
    assert order.conflicts[found.second] >> found.first & 1, "they conflict"
    first, second = recorded[found.first], recorded[found.second]
    assert first.task != second.task

    keys = keys_of(recorded)
    steps = [step for step in other.attempts[found.attempt].steps if is_scheduled(step)]
    theirs = [
        (step.task, step.site, key)
        for step, key in zip(
            other.attempts[found.attempt].steps, keys_of(other.attempts[found.attempt].steps), strict=True
        )
        if is_scheduled(step)
    ]
    wanted = [(step.task, step.site, keys[at]) for at, step in ((found.second, second), (found.first, first))]
    places = [at for at in range(len(theirs) - 1) if theirs[at : at + 2] == wanted]
    assert places, "the other run has them side by side, the second one first"
    tail = [step.task for step in recorded[found.first :]]
    for at in places:
        beginning = [step.task for step in steps[:at]]
        earlier = [
            [step.task for step in record.steps if is_scheduled(step)] for record in other.attempts[: found.attempt]
        ]
        schedules = [[*earlier, [*beginning, first.task, second.task, *rest]] for rest in tails(tail)]
        runs = (experiment.run(StepByStep(each), found.other_order) for each in schedules)
        if any(run.violation_name == failing.violation_name for run in runs):
            return True
    raise AssertionError("with the two exchanged it fails as before")


class StepByStep:
    """Follows the tasks of the steps that a scheduler decides about, an attempt after the other; then the default."""

    def __init__(self, tasks: list[list[int]]) -> None:
        self._attempts = iter(tasks)
        self._tasks: list[int] = []

    def begin(self, attempt: int) -> None:
        self._tasks = next(self._attempts, [])

    def choose(self, frontier: Frontier, last: int) -> int:
        done = sum(map(is_scheduled, frontier.steps))
        wanted = self._tasks[done] if done < len(self._tasks) else -1
        return wanted if wanted in frontier.pending else frontier.default(last)


def tails(recorded: list[int]) -> Iterator[list[int]]:
    """The recorded order, and some hundred others."""
    random = Random(0)
    yield recorded
    tasks = sorted(set(recorded))
    yield from ([task] * 24 for task in tasks)
    yield from (random.choices(tasks, k=24) for _ in range(300))


def minimised_and_explained(experiment: Experiment, failing: Run) -> bool:
    smallest = minimise(experiment, failing)
    detailed = experiment.run(TapeReplay(smallest.tape), smallest.tape, detail=True)
    return hold(experiment, detailed, explain(experiment, detailed))


def of_the_corpus(path: Path) -> bool:
    entry = tomllib.loads(path.read_text())
    failure = simulator.explore(
        scenario.from_table(entry["scenario"], str(path)), schedules=entry["expect"]["schedules"]
    ).failure
    if failure is None:
        return False
    experiment, tape = failure.trace.remembered(), failure.trace.choices()
    assert isinstance(experiment, Experiment)
    with installed():
        return hold(experiment, experiment.run(TapeReplay(tape), tape, detail=True), failure.explanation)


@pytest.mark.parametrize("name", ["hf-28119", "hf-save-on-each-node-mtime", "prime-1763-nfs", "hf-37-power-loss"])
def test_what_is_said_of_a_bug_of_the_corpus_holds(name: str) -> None:
    (path,) = (path for path in CORPUS if path.stem == name)
    assert of_the_corpus(path) == (name in WITH_A_PAIR)


@pytest.mark.slow
@pytest.mark.parametrize("path", CORPUS, ids=[path.stem for path in CORPUS])
def test_what_is_said_of_every_bug_of_the_corpus_holds(path: Path) -> None:
    assert of_the_corpus(path) == (path.stem in WITH_A_PAIR)


# -- random programs: they fail when an action gives something else than in the undisturbed run -----------------------


def failing_unless(program: Callable[[Rank], list[Any]], expected: list[Any]) -> Callable[[Rank], None]:
    def checked(rank: Rank) -> None:
        given = program(rank)
        for number, (one, other) in enumerate(zip(given, expected, strict=True)):
            if one != other:
                raise RuntimeError(f"action {number} gave {one!r} instead of {other!r}")

    return checked


def surprised(actions: Sequence[Sequence[Action]]) -> Experiment:
    """These programs; each fails where something gave another result than when the last rank goes first."""
    programs = [program_of(list(each)) for each in actions]
    bare = experiment_of(programs, nodes=len(programs))
    bare.filesystem = filled  # type: ignore[method-assign]
    with installed():
        run = bare.run(LastRankFirst(), Tape())
    endings = run.attempts[0].endings
    checked = [failing_unless(each, endings[rank].value) for rank, each in enumerate(programs) if rank in endings]
    if len(checked) < len(programs):
        return bare
    experiment = experiment_of(checked, nodes=len(programs))
    experiment.filesystem = filled  # type: ignore[method-assign]
    return experiment


def hold_on_random_programs(seed: int, programs: int) -> int:
    """On so many programs that fail; how many of the failures a pair decides."""
    decided = 0
    failures = islice((each for each in (failing_of(f"{seed}/{n}") for n in count()) if each), programs)
    for actions, experiment, failing in failures:
        try:
            with installed():
                decided += minimised_and_explained(experiment, failing)
        except AssertionError as error:
            raise AssertionError(f"not so of {actions}") from error
    return decided


def failing_of(seed: str) -> tuple[Any, Experiment, Run] | None:
    actions = random_program(Random(seed))
    experiment = surprised(actions)
    with installed():
        for number in range(30):
            run = experiment.run(RandomWalk(Random(number)), Tape())
            if run.violation is not None:
                return actions, experiment, run
    return None


def test_what_is_said_of_random_programs_holds() -> None:
    assert hold_on_random_programs(1, 10) > 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_what_is_said_of_a_thousand_random_programs_holds(seed: int) -> None:
    assert hold_on_random_programs(seed, 50) > 20
