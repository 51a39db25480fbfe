"""A strategy at the size of the real job: what a save takes, and whether sampled schedules violate anything there."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

import msgspec

from simulator.boundary import installed
from simulator.campaigns.comparison.outcome import Economy, Measured, Request
from simulator.campaigns.demonstrating.demonstration import Candidate
from simulator.campaigns.scale.at_scale import rehearse, run_at_scale
from simulator.campaigns.scale.onlooking import EndOfSaves
from simulator.campaigns.scale.scale_result import ScaleResult
from simulator.campaigns.searching.portfolio import handicaps
from simulator.costs.intervals import daly, goodput, young
from simulator.experiment import Experiment
from simulator.faults import Faults
from simulator.filesystems import Filesystem
from simulator.run import Judge, Scheduler
from simulator.scenario import Budgets, Scenario, StrategyChoice
from simulator.schedulers.by_time import ByTime
from simulator.schedulers.pct import PCT
from simulator.schedulers.random_walk import RandomWalk
from simulator.tape import Tape

LOOKS = 24
"""How finely the last save is looked at for what a restart would find."""

_OPERATIONS_PER_RANK = 2_000
_WALL_SECONDS = 600.0


def real_scenario(candidate: Candidate, request: Request) -> Scenario:
    """The job as it is asked for: sizes without bytes, charged by the cost profile."""
    return Scenario(
        cluster=request.cluster,
        workload=request.workload,
        strategy=StrategyChoice(candidate.name, candidate.options),
        filesystem=request.filesystem,
        costs=request.costs,
        budgets=Budgets(
            operations=_OPERATIONS_PER_RANK * request.cluster.world_size,
            virtual_seconds=30 * 86_400.0,
            wall_seconds=_WALL_SECONDS,
        ),
    )


def measure(candidate: Candidate, request: Request) -> Measured:
    """One run in the order of the clock, with a restart, and further schedules, until ``request.at_scale`` are run."""
    scenario = real_scenario(candidate, request)
    run = run_at_scale(msgspec.structs.replace(scenario, restarts=1), request.seed, looks=LOOKS)
    violations: dict[str, int] = {} if run.violation is None else {run.violation.invariant: 1}
    for violated in _sampled(scenario, request, run.operations):
        if violated is not None:
            violations[violated] = violations.get(violated, 0) + 1
    return Measured(run, max(1, request.at_scale), violations, economy(run, request))


def economy(run: ScaleResult, request: Request) -> Economy | None:
    """What the run costs a job that fails now and then; None where no save returned on every rank."""
    if not run.saves:
        return None
    mtbf = request.mtbf
    stall = sum(save.stalled for save in run.saves) / len(run.saves)
    interval = max(daly(stall, mtbf), 0.0)
    restart = None if run.resumed is None else request.relaunch + run.resumed.seconds
    lost = (run.exposed or 0.0) / (interval + stall) if interval + stall else 0.0
    return Economy(
        stall=stall,
        young=young(stall, mtbf),
        interval=interval,
        restart=restart,
        goodput=None if restart is None else goodput(stall, interval, mtbf, restart),
        lost_one_in=1 / lost if lost else None,
        lost_every=mtbf / lost if lost else None,
    )


def _sampled(scenario: Scenario, request: Request, operations: int) -> list[str | None]:
    """What each of the further schedules violates; stops early when they take several times the time of a search.

    In turn: the order of the clock with one rank that is slow, a random walk, and PCT, each with a slow rank too.
    """
    faults = Faults(slow_ranks=1)
    experiment = Experiment(msgspec.structs.replace(scenario, faults=faults))
    factories: list[Callable[[Random], Scheduler]] = [
        lambda random: ByTime(),
        RandomWalk,
        lambda random: PCT(random, 3, operations),
    ]

    def judge_by(filesystem: Filesystem) -> Judge:
        return experiment.judge(filesystem, when=EndOfSaves(experiment))

    found: list[str | None] = []
    started = time.perf_counter()
    with installed():
        rehearse(scenario)
        for number in range(1, request.at_scale):
            random = Random(request.seed << 20 | number)
            drawn = handicaps(experiment.scenario, random)
            plan = Tape({address: value for address, value in drawn.items() if value})
            run = experiment.run(factories[(number - 1) % len(factories)](random), plan, judge_by=judge_by)
            found.append(run.violation_name)
            if time.perf_counter() - started > 10 * request.seconds:
                break
    return found
