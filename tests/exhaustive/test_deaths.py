"""Kills and restarts against brute force: whatever an invariant sees in any run is what the search shows to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count, product
from pathlib import Path
from random import Random
from typing import Any

import pytest

import simulator
from simulator.boundary import installed
from simulator.experiment import Experiment
from simulator.faults import Faults
from simulator.rank import Rank
from simulator.run import Frontier, Run
from simulator.scenario import Cluster, Scenario
from simulator.tape import Tape
from tests.exhaustive.programs import CHANGES, GROUPS, PAIRS, Actions, filled, program_of

_LOOKS = ("listdir", "exists", "size", "links", "readlink")
_CHANGES = tuple(kind for kind in CHANGES if kind != "rmtree")

Job = list[list[Actions]]
"""What each rank does, attempt by attempt."""


class TooMany(Exception):
    """Brute force would take too long."""


def job_of(random: Random) -> Job:
    """Two or three ranks that do a little in the first attempt, and less in the second."""
    names = random.choice(GROUPS)
    ranks = random.choice((2, 2, 2, 3))

    def action() -> tuple[str, ...]:
        kind = random.choice(random.choice((_LOOKS, _CHANGES, _CHANGES, PAIRS)))
        return (kind, *random.sample(names, 2)) if kind in PAIRS else (kind, random.choice(names))

    job = [[[action() for _ in range(random.randint(1, 4 - ranks))], [action()]] for _ in range(ranks)]
    if random.random() < 0.3:
        for attempts in job:
            attempts[0].insert(random.randrange(len(attempts[0]) + 1), ("barrier",))
    return job


class Seen:
    """An invariant that holds, and keeps what it was shown."""

    def __init__(self) -> None:
        self.all: set[Any] = set()

    def __call__(self, world: Any) -> None:
        tree = tuple(sorted(_described(world.root)))
        self.all.add((world.attempt, tree, repr(sorted(world.returned.items()))))

    __name__ = "seen"


def _described(root: Path) -> Iterator[tuple[str, str]]:
    for top, directories, files in os.walk(root):
        for name in directories + files:
            path = os.path.join(top, name)
            place = os.path.relpath(path, root)
            if os.path.islink(path):
                yield place, f"-> {os.readlink(path)}"
            elif name in directories:
                yield place, oct(os.stat(path).st_mode)
            else:
                with open(path, "rb") as file:
                    yield place, f"{os.stat(path).st_mode:o} {file.read()!r}"


def experiment_of(job: Job, seen: Callable[..., Any], faults: Faults) -> Experiment:
    def program(attempts: list[Actions]) -> Callable[[Rank], Any]:
        programs = [program_of(actions) for actions in attempts]
        return lambda rank: programs[rank.attempt](rank)

    experiment = Experiment(
        Scenario(cluster=Cluster(len(job), 1), invariants=("seen",), faults=faults, restarts=1),
        programs=[program(attempts) for attempts in job],
        checks=[seen],
    )
    experiment.filesystem = filled  # type: ignore[method-assign]
    return experiment


class Every:
    """Takes one schedule after the other, each choice in turn; ``advance`` says whether there is another one."""

    def __init__(self) -> None:
        self._choices: list[list[int]] = []
        self._depth = 0

    def begin(self, attempt: int) -> None:
        if attempt == 0:
            self._depth = 0

    def choose(self, frontier: Frontier, last: int) -> int:
        if self._depth == len(self._choices):
            self._choices.append(list(frontier.ready))
        self._depth += 1
        return self._choices[self._depth - 1][0]

    def advance(self) -> bool:
        while self._choices and len(self._choices[-1]) == 1:
            self._choices.pop()
        if not self._choices:
            return False
        self._choices[-1].pop(0)
        return True


def brute_force(job: Job, faults: Faults, most: int) -> set[Any]:
    """What an invariant sees in all runs: every schedule, with no death, and with every death."""
    seen = Seen()
    experiment = experiment_of(job, seen, faults)
    runs = 0

    def all_of(plan: Tape) -> list[Run]:
        nonlocal runs
        every, found = Every(), []
        while True:
            found.append(experiment.run(every, plan))
            runs += 1
            if runs > most:
                raise TooMany
            if not every.advance():
                return found

    with installed():
        longest = max(len(record.steps) for run in all_of(Tape()) for record in run.attempts)
        for attempt, rank in product(range(2), range(len(job))):
            for n in count():
                struck = False
                for end in range(longest + 2):
                    plan = Tape({(attempt, "kill", rank, n): 1, **({(attempt, "end", -1, 0): end} if end else {})})
                    struck = any(run.attempts[attempt].died for run in all_of(plan)) or struck
                if not struck:
                    break
    return seen.all


def hold_equal(job: Job, most: int) -> None:
    faults = Faults(kills=1)
    brute = brute_force(job, faults, most)
    seen = Seen()
    result = simulator.certify(experiment_of(job, seen, faults))
    assert result.verdict == "certified", (result, job)
    assert seen.all - brute == set(), f"shown though it cannot be: {job}"
    assert brute - seen.all == set(), f"never shown: {job}"


def hold_on_random_jobs(seed: int, jobs: int, most: int) -> None:
    done = 0
    for number in count():
        try:
            hold_equal(job_of(Random(f"{seed}/{number}")), most)
        except TooMany:
            continue
        done += 1
        if done == jobs:
            return


PARTICULAR: list[Job] = [
    [[[("create", "a/g")], [("exists", "b/g")]], [[("rename", "a/g", "b/g")], [("unlink", "a/g")]]],
    [[[("exists", "h")], [("listdir", "b")]], [[("symlink", "h", "b/h")], [("link", "h", "b/h")]]],
]


@pytest.mark.parametrize("job", PARTICULAR, ids=str)
def test_a_job_with_a_kill_and_a_restart_shows_what_brute_force_shows(job: Job) -> None:
    hold_equal(job, most=6000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_a_hundred_jobs_with_a_kill_and_a_restart_show_what_brute_force_shows(seed: int) -> None:
    hold_on_random_jobs(seed, 5, most=2000)
