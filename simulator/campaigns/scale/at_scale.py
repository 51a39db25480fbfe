"""A strategy at the size of a real job: one run in the order of the clock, and where each rank's time went.

Sizes are numbers, not bytes; what takes how long is charged by the scenario's cost profile. Looking at what a restart
would find takes as long as all ranks need to load a checkpoint, so it is done at chosen instants only.
"""

from __future__ import annotations

import time
from random import Random

import msgspec

from simulator.boundary import installed
from simulator.campaigns.explanation.failure import trace_of
from simulator.campaigns.scale.onlooking import Onlooker
from simulator.campaigns.scale.scale_result import ScaleResult, scale_result
from simulator.campaigns.searching.portfolio import handicaps
from simulator.errors import UsageError
from simulator.experiment import Experiment
from simulator.faults import Faults
from simulator.filesystems import Filesystem
from simulator.invariants import Violation
from simulator.run import Run
from simulator.scenario import Budgets, Cluster, CostChoice, Scenario, StrategyChoice, Workload
from simulator.schedulers.by_time import ByTime
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from simulator.trace import Trace

COSTS = "lustre"
"""The cost profile of the incident."""


def incident_at_scale(strategy: str) -> Scenario:
    """The incident of hiyouga/LLaMA-Factory#6882 at its own size: 32 ranks on 4 nodes save Qwen2.5-VL-72B once."""
    return Scenario(
        cluster=Cluster(nodes=4, ranks_per_node=8),
        workload=Workload(layout="trainer-zero3", form="size", model="qwen2.5-vl-72b", steps=1, step_seconds=0.0),
        strategy=StrategyChoice(strategy),
        costs=CostChoice(COSTS),
        budgets=Budgets(virtual_seconds=86_400.0),
    )


def run_at_scale(scenario: Scenario, seed: int = 0, looks: int = 0) -> ScaleResult:
    """Run a strategy once in the order of the clock, to the end of all ranks, whatever is violated on the way.

    With ``restarts`` the job is then started again on what it left, and the result says what resuming took. ``looks``
    is how often, in the last save, to look at what a restart would find.

    ``seed`` draws which ranks are slow and whose clocks are wrong, where the fault budget has such; deaths and errors
    are not drawn. Raises UsageError for a scenario without costs or without a strategy.
    """
    if scenario.costs.profile is None:
        raise UsageError("costs.profile: a run at scale needs one: it goes in the order of the clock")
    if scenario.strategy is None:
        raise UsageError("strategy: a run at scale needs one")
    experiment = Experiment(scenario)
    plan = Tape({address: value for address, value in handicaps(scenario, Random(seed)).items() if value})
    onlookers: list[Onlooker] = []

    def judge_by(filesystem: Filesystem) -> Onlooker:
        onlookers.append(Onlooker(experiment, filesystem, looks))
        return onlookers[-1]

    with installed():
        rehearse(scenario)
        started = time.perf_counter()
        run = experiment.run(ByTime(), plan, judge_by=judge_by)
        wall = time.perf_counter() - started
        (onlooker,) = onlookers
        violation, trace = onlooker.violation, None
        if violation is not None:
            trace = _trace(scenario, run, violation)
    return scale_result(experiment, run, seed, onlooker, trace, wall)


def rehearse(scenario: Scenario) -> None:
    """Let modules that the ranks import late be imported, which is no part of a job, by a job of two ranks."""
    small = msgspec.structs.replace(scenario, cluster=Cluster(2, 1), faults=Faults(), restarts=0)
    Experiment(small).rehearse(ByTime())


def _trace(scenario: Scenario, run: Run, violation: Violation) -> Trace | None:
    """The same run once more, in detail and only as far as to its violation, judged as a replay will judge it."""
    faults = msgspec.structs.replace(scenario.faults, job_death=False)
    experiment = Experiment(msgspec.structs.replace(scenario, faults=faults))
    again = experiment.run(TapeReplay(run.tape), run.tape, detail=True)
    return trace_of(experiment, again) if again.violation == violation else None
