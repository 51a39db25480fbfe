"""How many schedules fuzzing needs to find what it can find, over the bugs that have landed.

Beside it are the random walk and the mixture of schedulers that ``ckptrace explore`` takes, neither of which learns
anything. All begin with the undisturbed run. A bug is a case of ``fixtures/corpus`` that violates something. Counted
are the schedules to its first violation, and to the last of the failures (different signatures) that any of the three
found with any seed: fuzzing goes on after the first one. What was not found counts as the limit.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from statistics import median

import joblib
import msgspec
import pytest

from simulator.boundary import installed
from simulator.campaigns.fuzzing.campaign import batch_of
from simulator.campaigns.fuzzing.corpus import Shelf
from simulator.campaigns.fuzzing.job import Request, make_runs, packed
from simulator.campaigns.fuzzing.standing import Standing
from simulator.campaigns.searching.determinism import undisturbed_run
from simulator.campaigns.searching.drawing import drawn_answers
from simulator.campaigns.searching.portfolio import sampled_faults, scheduler_factories
from simulator.campaigns.searching.sampling import rank_lengths
from simulator.experiment import Experiment
from simulator.scenario import Scenario, from_table

CORPUS = Path(__file__).parents[2] / "fixtures" / "corpus"
SEEDS = 11
LIMIT = 200

Hits = dict[str, int]
"""For each signature the schedule, from 1, that found it first."""


class Found(msgspec.Struct):
    """What each seed found, by method."""

    hits: dict[str, list[Hits]]

    @property
    def signatures(self) -> set[str]:
        """All failures that anybody found."""
        return {signature for hits in self.hits.values() for each in hits for signature in each}

    def first(self, method: str) -> float:
        """The median of the schedules to the first violation."""
        return median(min(each.values(), default=LIMIT) for each in self.hits[method])

    def last(self, method: str) -> float:
        """The median of the schedules to the last of the failures."""
        known = self.signatures
        return median(max(each.get(signature, LIMIT) for signature in known) for each in self.hits[method])


def sampled(scheduler: str, scenario: Scenario, seed: int) -> Hits:
    """What ``ckptrace explore --scheduler NAME`` would find if it went on."""
    hits: Hits = {}
    with installed():
        experiment = Experiment(scenario)
        run = undisturbed_run(experiment)
        lengths = rank_lengths(run, scenario.cluster.world_size)
        makers = scheduler_factories(scheduler, run.attempts[0].steps)
        for number in range(1, LIMIT + 1):
            if number > 1:
                random = Random(seed << 40 | number)
                plan = sampled_faults(scenario, lengths, random)
                drawn = drawn_answers(experiment, seed << 40 | number)
                run = experiment.run(makers[number % len(makers)](random), plan, draw=drawn)
            if run.violation is not None:
                hits.setdefault(run.violation.signature, number)
    return hits


def guided(scenario: Scenario, seed: int) -> Hits:
    """What ``ckptrace fuzz`` finds with one worker; nothing is kept on disk."""
    standing = Standing("bench", scenario, scenario, Nowhere(Path("/nonexistent")), seed, "")
    while standing.schedules < LIMIT:
        guide = standing.guide
        proposals = standing.propose(batch_of(standing), LIMIT - standing.handed)
        reply = make_runs(
            Request(
                0,
                f"{os.getpid()} {seed}",
                os.getpid(),
                scenario,
                proposals,
                packed(guide.covered),
                sorted(guide.signatures),
            )
        )
        assert reply.problem is None, reply.problem
        standing.learn(proposals, reply)
    return {signature: failure.found.schedule for signature, failure in standing.failures.items()}


class Nowhere(Shelf):
    """Keeps nothing."""

    def keep_tape(self, kept: object) -> None:
        pass

    def keep_found(self, found: object) -> None:
        pass


def bugs() -> Iterator[tuple[str, Scenario]]:
    for path in sorted(CORPUS.glob("*.toml")):
        case = tomllib.loads(path.read_text())
        if case["expect"]["verdict"] == "violated":
            yield path.stem, from_table(case["scenario"], str(path))


METHODS: dict[str, Callable[[Scenario, int], Hits]] = {
    "walk": partial(sampled, "random"),
    "mixed": partial(sampled, "mixed"),
    "guided": guided,
}


@pytest.mark.bench
def test_guided_fuzzing_needs_fewer_schedules_than_the_random_walk_in_the_median() -> None:
    cases = dict(bugs())
    jobs = [(name, method, seed) for name in cases for method in METHODS for seed in range(SEEDS)]
    made = joblib.Parallel(n_jobs=-1)(joblib.delayed(METHODS[method])(cases[name], seed) for name, method, seed in jobs)
    found = {name: Found({method: [] for method in METHODS}) for name in cases}
    for (name, method, _), hits in zip(jobs, made, strict=True):
        found[name].hits[method].append(hits)
    rows = {
        name: [[each.first(method) for method in METHODS], [each.last(method) for method in METHODS]]
        for name, each in found.items()
    }
    over_all = [
        [median(row[part][column] for row in rows.values()) for column in range(len(METHODS))] for part in range(2)
    ]
    print(f"\nschedules, median of {SEEDS} seeds, at most {LIMIT}\n")
    heads = "".join(f"{method:>8}" for method in METHODS)
    print(f"{'':30}{'to the first violation':>24}{'failures':>10}{'to the last of them':>24}")
    print(f"{'bug':30}{heads}{'':10}{heads}")
    for name, (first, last) in {**rows, "median over the bugs": over_all}.items():
        count = f"{len(found[name].signatures)}" if name in found else ""
        print(f"{name:30}{_figures(first)}{count:>10}{_figures(last)}")
    (first_walk, _, first_guided), (last_walk, _, last_guided) = over_all
    assert first_guided <= first_walk
    assert last_guided < last_walk


def _figures(row: list[float]) -> str:
    return "".join(f"{figure:>8g}" for figure in row)
