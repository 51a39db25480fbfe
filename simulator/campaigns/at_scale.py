"""The incident at its own size: Qwen2.5-VL-72B under ZeRO-3 on 4 nodes with 8 GPUs each, in the order of the clock.

Sizes are numbers, not bytes; what takes how long is charged by a cost profile. Nothing is explored here: one run, in
which the operation that would end first on that cluster goes first.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from simulator.boundary import installed
from simulator.campaigns.failure import trace_of
from simulator.costs import RankUsage, cost_model
from simulator.experiment import Experiment
from simulator.faults import Faults
from simulator.scenario import Budgets, Cluster, CostChoice, Scenario, StrategyChoice, Workload
from simulator.schedulers.virtual_time import VirtualTime
from simulator.trace import Trace

COSTS = "lustre"


class AtScale(msgspec.Struct):
    """One run of one strategy. Times in virtual seconds, sizes in bytes.

    ``raised`` counts the ranks by what they raised; ``trace`` ends at the first violation, None if there was none.
    """

    strategy: str
    seconds: float
    usage: list[RankUsage]
    raised: dict[str, int]
    trace: Trace | None


def scenario_at_scale(strategy: str) -> Scenario:
    """32 ranks on 4 nodes save once; judged by what is left when the job has ended."""
    return Scenario(
        cluster=Cluster(nodes=4, ranks_per_node=8),
        workload=Workload(layout="trainer-zero3", form="size", model="qwen2.5-vl-72b", steps=1),
        strategy=StrategyChoice(strategy),
        costs=CostChoice(COSTS),
        faults=Faults(job_death=False),
        budgets=Budgets(virtual_seconds=86_400.0),
    )


def run_at_scale(strategy: str) -> AtScale:
    """Run a strategy twice: judged, up to the first violation, and to the end of all ranks for the account of time."""
    scenario = scenario_at_scale(strategy)
    judged = Experiment(scenario)
    unjudged = Experiment(msgspec.structs.replace(scenario, invariants=()))
    with installed():
        first = judged.run(_clock(scenario), detail=True)
        clock = _clock(scenario)
        whole = unjudged.run(clock)
    errors = (ending.error for ending in whole.attempts[-1].endings.values() if ending.error is not None)
    return AtScale(
        strategy,
        clock.seconds,
        clock.usage(),
        dict(Counter(type(error).__name__ + _errno(error) for error in errors).most_common()),
        trace_of(judged, first) if first.violation is not None else None,
    )


def _clock(scenario: Scenario) -> VirtualTime:
    model = cost_model(scenario.costs.profile or COSTS, scenario.costs.overrides)
    return VirtualTime(model, scenario.cluster.world_size, scenario.cluster.ranks_per_node)


def _errno(error: BaseException) -> str:
    return f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
