"""The comparison: each strategy judged at small scale and measured at the real shape, several side by side."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence

import msgspec

from simulator.campaigns.comparison.outcome import Compared, Request
from simulator.campaigns.comparison.real_shape import measure, real_scenario
from simulator.campaigns.comparison.small_scale import judge, small_scenario
from simulator.campaigns.demonstrating.demonstration import Candidate
from simulator.engines.crew import side_by_side
from simulator.experiment import Experiment


def compare(chosen: Sequence[Candidate], request: Request, *, processes: int | None = None) -> Iterator[Compared]:
    """Compare strategies, in the order in which they are given, on as many processes as there are cores.

    Raises UsageError, before anything is searched, for a job that makes no sense.
    """
    request.judged_in()
    for candidate in chosen:
        Experiment(small_scenario(candidate, request))
        Experiment(real_scenario(candidate, request))
    return _compared(chosen, request, processes)


def _compared(chosen: Sequence[Candidate], request: Request, processes: int | None) -> Iterator[Compared]:
    work = [(candidate, request) for candidate in chosen]
    count = min(processes or os.cpu_count() or 1, len(work))
    if count <= 1:
        yield from map(_one, work)
        return
    yield from side_by_side(_one, work, count)


def _one(work: tuple[Candidate, Request]) -> Compared:
    candidate, request = work
    started = time.perf_counter()
    cells, findings = judge(candidate, request)
    measured = measure(candidate, request)
    small = msgspec.to_builtins(small_scenario(candidate, request))
    return Compared(candidate, small, cells, findings, measured, time.perf_counter() - started)
