"""How many schedules fuzzing needs to find what it can find, beside the random walk, over the bugs that have landed.

Both begin with the undisturbed run. A bug is a case of ``fixtures/corpus`` that violates something. Counted are the
schedules to its first violation, and to the last of the failures (different signatures) that either of the two found
with any seed: fuzzing goes on after the first one. Where one did not find something, that counts as the limit.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import median

import joblib
import msgspec
import pytest

from simulator.boundary import installed
from simulator.campaigns.drawing import drawn_answers
from simulator.campaigns.fuzzing.campaign import batch_of
from simulator.campaigns.fuzzing.corpus import Shelf
from simulator.campaigns.fuzzing.job import Request, make_runs, packed
from simulator.campaigns.fuzzing.standing import Standing
from simulator.campaigns.portfolio import sampled_faults
from simulator.campaigns.sampling import rank_lengths
from simulator.experiment import Experiment
from simulator.run import Run
from simulator.scenario import Scenario, from_table
from simulator.schedulers.random_walk import RandomWalk
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape

CORPUS = Path(__file__).parents[2] / "fixtures" / "corpus"
SEEDS = 9
LIMIT = 150

Hits = dict[str, int]
"""For each signature the schedule, from 1, that found it first."""


class Found(msgspec.Struct):
    """What each seed found."""

    walk: list[Hits]
    guided: list[Hits]

    def first(self, hits: list[Hits]) -> float:
        """The median of the schedules to the first violation."""
        return median(min(each.values(), default=LIMIT) for each in hits)

    def last(self, hits: list[Hits]) -> float:
        """The median of the schedules to the last of the failures that anybody found."""
        known = {signature for each in [*self.walk, *self.guided] for signature in each}
        return median(max(each.get(signature, LIMIT) for signature in known) for each in hits)

    @property
    def signatures(self) -> int:
        return len({signature for each in [*self.walk, *self.guided] for signature in each})


def walk(scenario: Scenario, seed: int) -> Hits:
    """What ``ckptrace explore --scheduler random`` would find if it went on."""
    hits: Hits = {}
    with installed():
        experiment = Experiment(scenario)
        experiment.rehearse(TapeReplay(Tape()))
        run = experiment.run(TapeReplay(Tape()))
        lengths = rank_lengths(run, scenario.cluster.world_size)
        for number in range(1, LIMIT + 1):
            if number > 1:
                run = _walked(experiment, lengths, seed << 40 | number - 1)
            if run.violation is not None:
                hits.setdefault(run.violation.signature, number)
    return hits


def _walked(experiment: Experiment, lengths: list[int], seed: int) -> Run:
    random = Random(seed)
    plan = sampled_faults(experiment.scenario, lengths, random)
    return experiment.run(RandomWalk(random), plan, draw=drawn_answers(experiment, seed))


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


@pytest.mark.bench
def test_guided_fuzzing_needs_fewer_schedules_than_the_random_walk_in_the_median() -> None:
    cases = dict(bugs())
    jobs = [(name, method, seed) for name in cases for method in (walk, guided) for seed in range(SEEDS)]
    made = joblib.Parallel(n_jobs=-1)(joblib.delayed(method)(cases[name], seed) for name, method, seed in jobs)
    found = {name: Found([], []) for name in cases}
    for (name, method, _), hits in zip(jobs, made, strict=True):
        (found[name].walk if method is walk else found[name].guided).append(hits)
    print(f"\nschedules in the median of {SEEDS} seeds, {LIMIT} at most: random walk, guided\n")
    print(f"{'bug':30} {'first violation':>20} {'failures':>10} {'all of them':>20}")
    firsts, lasts = [], []
    for name, each in found.items():
        first = (each.first(each.walk), each.first(each.guided))
        last = (each.last(each.walk), each.last(each.guided))
        print(f"{name:30} {first[0]:>10g}{first[1]:>10g} {each.signatures:>10} {last[0]:>10g}{last[1]:>10g}")
        firsts.append(first)
        lasts.append(last)
    medians = [[median(column) for column in zip(*rows, strict=True)] for rows in (firsts, lasts)]
    print(f"{'median over the bugs':30} {medians[0][0]:>10g}{medians[0][1]:>10g} {'':10} ", end="")
    print(f"{medians[1][0]:>10g}{medians[1][1]:>10g}")
    assert medians[0][1] <= medians[0][0]
    assert medians[1][1] < medians[1][0]
