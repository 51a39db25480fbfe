"""What a run at scale gives back: verdict, and where the time and the bytes of each rank and node went."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from simulator.campaigns.scale.onlooking import Onlooker, Synced, synced
from simulator.clock import EPOCH, SECOND
from simulator.costs import CostModel, NodeUsage, RankUsage
from simulator.costs.timeline import bytes_read, load_seconds
from simulator.costs.usage import Flow
from simulator.engines.interface import Saved
from simulator.experiment import Experiment
from simulator.invariants import Violation
from simulator.layouts.summary import gathered
from simulator.run import AttemptRecord, Run
from simulator.trace import Trace

JUDGED = (
    "errors and hangs at every operation; what a restart would find whenever a save had returned on all ranks, and at "
    "the end"
)


class SaveTime(msgspec.Struct, frozen=True):
    """A save that returned on every rank: from when, in virtual seconds since the job's start, and for how long.

    ``seconds`` are from the first rank's call to the last rank's return, rotation included. ``stalled`` is the longest
    time that a single rank was in it, which is what training lost.
    """

    step: int
    began: float
    seconds: float
    stalled: float = 0.0


class Resumed(msgspec.Struct, frozen=True):
    """The next attempt of the job, up to its first step.

    ``looking`` seconds went into finding the checkpoint and opening its files, ``loading`` into reading ``size`` bytes;
    all ranks at once, by the cost profile. Starting processes and importing libraries is not in it.
    """

    looking: float
    loading: float
    size: int

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.looking + self.loading


class ScaleResult(msgspec.Struct, frozen=True):
    """One run of one strategy. Times in virtual seconds (``wall_seconds`` apart), sizes in bytes.

    ``verdict`` is violated, clean or incomplete, of what ``judged`` says; ``violation`` was the first, and the run went
    on. ``left`` says what a restart would find at the end. ``raised`` counts the ranks by what they raised.
    ``bandwidths`` are what each node wrote, in GB/s, in the time that saves took. ``warnings`` are waits that a real
    job would not survive. ``storage_peak`` is the most that the files held at any time (None: not known of this file
    system). ``exposed`` seconds of the last save a restart would have found nothing that it could use (None: not looked
    for). ``host_memory`` is, by node, what gathering the model's state takes there; files that are written tensor by
    tensor are not in it. ``resumed`` is None where no further attempt was run, or it found nothing. ``flows`` are what
    moved when, in nanoseconds of the job's clock, which began at ``epoch``. ``trace`` is that of the run up to its
    violation; None where only a look at the end of a save finds that, since a replay looks at every instant or at the
    end of the job.
    """

    strategy: str
    scenario: dict[str, Any]
    seed: int
    verdict: str
    judged: str
    violation: Violation | None
    left: str
    raised: dict[str, int]
    seconds: float
    saves: list[SaveTime]
    usage: list[RankUsage]
    nodes: list[NodeUsage]
    bandwidths: list[float]
    warnings: list[str]
    operations: int
    wall_seconds: float
    trace: Trace | None = None
    reason: str | None = None
    storage_peak: int | None = None
    exposed: float | None = None
    synced: Synced | None = None
    host_memory: list[int] = []
    resumed: Resumed | None = None
    flows: list[Flow] = []
    epoch: int = EPOCH


def scale_result(
    experiment: Experiment,
    run: Run,
    seed: int,
    onlooker: Onlooker,
    trace: Trace | None,
    wall: float,
) -> ScaleResult:
    """The sums of a run's first attempt, and what resuming took in the second; ``wall`` is what it took for real."""
    scenario, record, costs = experiment.scenario, run.attempts[0], experiment.costs
    assert scenario.strategy is not None
    assert record.usage is not None
    assert costs is not None
    violation = onlooker.violation
    saves = _save_times(record, scenario.cluster.world_size)
    nodes, usage = record.usage.per_node(), record.usage.per_rank()
    saving = sum(save.seconds for save in saves)
    return ScaleResult(
        strategy=scenario.strategy.name,
        scenario=experiment.described(),
        seed=seed,
        verdict="violated" if violation is not None else "incomplete" if run.incomplete is not None else "clean",
        judged=JUDGED,
        violation=violation,
        left=onlooker.left,
        raised=_raised(record),
        seconds=(record.ended - EPOCH) / SECOND,
        saves=saves,
        usage=usage,
        nodes=nodes,
        bandwidths=[node.bytes_written / saving / 1e9 if saving else 0.0 for node in nodes],
        warnings=_warnings(usage, costs.collective_timeout),
        operations=run.operations,
        wall_seconds=wall,
        trace=trace,
        reason=run.incomplete,
        storage_peak=onlooker.storage_peak,
        exposed=onlooker.exposed,
        synced=synced(record.steps),
        host_memory=_host_memory(experiment),
        resumed=_resumed(experiment, run, costs),
        flows=record.usage.flows,
    )


def _host_memory(experiment: Experiment) -> list[int]:
    assert experiment.bound is not None
    cluster = experiment.scenario.cluster
    by_rank = gathered(experiment.bound.specs, cluster.world_size)
    return [
        sum(by_rank[first : first + cluster.ranks_per_node])
        for first in range(0, cluster.world_size, cluster.ranks_per_node)
    ]


def _resumed(experiment: Experiment, run: Run, costs: CostModel) -> Resumed | None:
    """What the second attempt took, if it resumed and had nothing left to train."""
    if len(run.attempts) < 2:
        return None
    first, second = run.attempts[:2]
    if second.saves or any(ending.error is not None for ending in second.endings.values()):
        return None
    assert experiment.bound is not None
    cluster = experiment.scenario.cluster
    sizes = bytes_read(experiment.bound.specs, cluster.world_size, cluster.ranks_per_node)
    loading = load_seconds(costs, sizes, cluster.ranks_per_node)
    return Resumed((second.ended - first.ended) / SECOND, loading, sum(sizes))


def _save_times(record: AttemptRecord, world_size: int) -> list[SaveTime]:
    """The saves that returned on every rank, in order."""
    by_step: dict[int, list[Saved]] = {}
    for saved in record.saves:
        by_step.setdefault(saved.step, []).append(saved)
    times = []
    for step, saves in sorted(by_step.items()):
        if len(saves) == world_size:
            began = min(saved.began for saved in saves)
            ended = max(saved.ended for saved in saves)
            longest = max(saved.ended - saved.began for saved in saves)
            times.append(SaveTime(step, (began - EPOCH) / SECOND, (ended - began) / SECOND, longest / SECOND))
    return times


def _raised(record: AttemptRecord) -> dict[str, int]:
    errors = (ending.error for _, ending in sorted(record.endings.items()) if ending.error is not None)
    return dict(Counter(type(error).__name__ + _errno(error) for error in errors).most_common())


def _errno(error: BaseException) -> str:
    return f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""


def _warnings(usage: list[RankUsage], collective_timeout: float) -> list[str]:
    late = [rank for rank in usage if rank.longest_wait > collective_timeout]
    if not late:
        return []
    longest = max(late, key=lambda rank: rank.longest_wait)
    return [
        f"{len(late)} of {len(usage)} ranks wait longer in a collective than its time-out of {collective_timeout:,.0f} "
        f"s, rank {longest.rank} for {longest.longest_wait:,.0f} s: a real job is ended there"
    ]
