"""Every strategy through the same searches: what fails when nobody dies, and what when a rank or the job may."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import msgspec

from simulator import registry
from simulator.boundary import installed
from simulator.campaigns.replay.confirming import Confirmation, confirm
from simulator.campaigns.result import Result
from simulator.campaigns.searching.sampling import sample
from simulator.experiment import Experiment
from simulator.faults import Faults
from simulator.scenario import Cluster, Scenario, StrategyChoice, Workload

WITHOUT_A_WORD = ("complete", "content", "progress", "keep")
"""The invariants that no rank notices when they are violated."""


class Candidate(msgspec.Struct, frozen=True):
    """A strategy with the options that it is tried with, and the invariants that are judged (None: all)."""

    name: str
    options: dict[str, Any] = {}
    invariants: tuple[str, ...] | None = None

    @property
    def title(self) -> str:
        """``name`` and what is not default about it."""
        return ", ".join([self.name, *(key.replace("_", " ") for key, value in self.options.items() if value is True)])


class Tried(msgspec.Struct):
    """A search and, if it found something, what the disk said."""

    result: Result
    confirmation: Confirmation | None = None


class Surveyed(msgspec.Struct):
    """One strategy: ``undisturbed`` is the search in which nobody dies; in ``dying`` a rank or the job may."""

    candidate: Candidate
    undisturbed: Tried
    dying: Tried


UNDISTURBED = Faults(job_death=False)
DYING = Faults(kills=1)


def candidates() -> list[Candidate]:
    """All registered strategies, and one more that raises, too, but is known for what it loses without a word.

    With ``save_on_each_node`` on a shared directory, transformers 4.36.2 ends with no checkpoint at all and exit code
    0: half a deletion makes the doomed directory the newest, and the rotation by time deletes the others.
    """
    found = []
    for name in registry.names():
        found.append(Candidate(name))
        if name == "transformers-4.36.2":
            found.append(Candidate(name, {"save_on_each_node": True}, WITHOUT_A_WORD))
    return found


def survey(
    chosen: Sequence[Candidate], *, schedules: int, seconds: float, seed: int = 0, processes: int | None = None
) -> Iterator[Surveyed]:
    """Search each strategy twice, ``schedules`` schedules or ``seconds`` at most each time, and confirm what is found.

    2 nodes with 1 rank each, 3 steps, 1 checkpoint kept. Runs on as many processes as there are cores (``processes``
    says otherwise), gives the results in the order of ``chosen``.
    """
    requests = [(candidate, schedules, seconds, seed) for candidate in chosen]
    count = min(processes or os.cpu_count() or 1, len(requests))
    if count <= 1:
        yield from map(_one, requests)
        return
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_one, requests)


def _one(request: tuple[Candidate, int, float, int]) -> Surveyed:
    candidate, schedules, seconds, seed = request
    undisturbed = _search(candidate, UNDISTURBED, 0, schedules, seconds, seed)
    dying = _search(candidate, DYING, 1, schedules, seconds, seed)
    return Surveyed(candidate, undisturbed, dying)


def _search(candidate: Candidate, faults: Faults, restarts: int, schedules: int, seconds: float, seed: int) -> Tried:
    scenario = Scenario(
        cluster=Cluster(nodes=2, ranks_per_node=1),
        workload=Workload(steps=3, keep=1),
        strategy=StrategyChoice(candidate.name, candidate.options),
        faults=faults,
        restarts=restarts,
        invariants=candidate.invariants,
    )
    with installed():
        result = sample(Experiment(scenario), schedules=schedules, seed=seed, seconds=seconds)
    return Tried(result, None if result.failure is None else confirm(result.failure))
