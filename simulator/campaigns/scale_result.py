"""What a run at scale gives back: verdict, and where the time and the bytes of each rank and node went."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from simulator.clock import EPOCH, SECOND
from simulator.costs import NodeUsage, RankUsage
from simulator.engines.interface import Saved
from simulator.experiment import Experiment
from simulator.invariants import Violation
from simulator.run import AttemptRecord, Run
from simulator.trace import Trace

JUDGED = (
    "errors and hangs at every operation; what a restart would find whenever a save had returned on all ranks, and at "
    "the end"
)


class SaveTime(msgspec.Struct, frozen=True):
    """A save that returned on every rank: from when, in virtual seconds since the job's start, and for how long.

    ``seconds`` are from the first rank's call to the last rank's return, rotation included.
    """

    step: int
    began: float
    seconds: float


class ScaleResult(msgspec.Struct, frozen=True):
    """One run of one strategy. Times in virtual seconds (``wall_seconds`` apart), sizes in bytes.

    ``verdict`` is violated, clean or incomplete, of what ``judged`` says; ``violation`` was the first, and the run went
    on. ``left`` says what a restart would find at the end. ``raised`` counts the ranks by what they raised.
    ``bandwidths`` are what each node wrote, in GB/s, in the time that saves took. ``warnings`` are waits that a real
    job would not survive. ``trace`` is that of the run up to its violation; None where only a look at the end of a save
    finds that, since a replay looks at every instant or at the end of the job.
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


def scale_result(
    experiment: Experiment,
    run: Run,
    seed: int,
    violation: Violation | None,
    left: str,
    trace: Trace | None,
    wall: float,
    collective_timeout: float,
) -> ScaleResult:
    """The sums of a run; ``wall`` is what it took, ``collective_timeout`` when a collective fails, both in seconds."""
    scenario, record = experiment.scenario, run.attempts[-1]
    assert scenario.strategy is not None
    assert record.usage is not None
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
        left=left,
        raised=_raised(record),
        seconds=(record.ended - EPOCH) / SECOND,
        saves=saves,
        usage=usage,
        nodes=nodes,
        bandwidths=[node.bytes_written / saving / 1e9 if saving else 0.0 for node in nodes],
        warnings=_warnings(usage, collective_timeout),
        operations=run.operations,
        wall_seconds=wall,
        trace=trace,
        reason=run.incomplete,
    )


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
            times.append(SaveTime(step, (began - EPOCH) / SECOND, (ended - began) / SECOND))
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
