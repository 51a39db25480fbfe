"""A strategy's verdicts at small scale: certified where the search comes to its end, sampled where it does not."""

from __future__ import annotations

import msgspec

from simulator.campaigns.comparison.outcome import Cell, Finding, Request
from simulator.campaigns.comparison.situations import Situation
from simulator.campaigns.demonstrating.demonstration import Candidate
from simulator.campaigns.interface import explore
from simulator.campaigns.replay.confirming import confirmed_or_why_not
from simulator.campaigns.result import Failure, Result
from simulator.campaigns.searching.certifying import certify
from simulator.errors import CannotDo, UsageError
from simulator.scenario import Cluster, Scenario, StrategyChoice, Workload

_ONE_WRITER = frozenset({"ddp", "trainer-ddp", "trainer-lora"})
"""Layouts in which rank 0 writes all that is large; in the others every rank has a part."""

_FOR_ONE_INVARIANT = 0.25
"""The part of a search that a single invariant gets once another is known to be violated."""


class Searched(msgspec.Struct, frozen=True):
    """The outcome of one search: a verdict as in ``Cell``, what it covers, and the failure if there is one."""

    verdict: str
    said: str
    failure: Failure | None = None


def small_scenario(candidate: Candidate, request: Request) -> Scenario:
    """Two ranks that save twice and keep one checkpoint, in a layout of the same kind as the real job's."""
    alone = request.cluster.nodes == 1
    return Scenario(
        cluster=Cluster(1, 2) if alone else Cluster(2, 1),
        workload=Workload(layout="ddp" if request.workload.layout in _ONE_WRITER else "zero", steps=2, keep=1),
        strategy=StrategyChoice(candidate.name, candidate.options),
        filesystem=request.filesystem,
    )


def judge(candidate: Candidate, request: Request) -> tuple[list[Cell], list[Finding]]:
    """Every invariant in every situation, and what was found, each failure once."""
    findings = _Findings(request)
    cells = []
    for situation in request.judged_in():
        cells += _in_situation(small_scenario(candidate, request), situation, request, findings)
    return cells, findings.found


def _in_situation(base: Scenario, situation: Situation, request: Request, findings: _Findings) -> list[Cell]:
    """One search for all invariants; if it finds one violated, samples for each of the others."""
    scenario = msgspec.structs.replace(
        base, faults=situation.faults, restarts=situation.restarts, invariants=situation.invariants
    )
    first = _search(scenario, request)
    cells = []
    for invariant in situation.invariants:
        outcome = first
        if first.failure is not None and first.failure.invariant != invariant:
            alone = msgspec.structs.replace(scenario, invariants=(invariant,))
            outcome = _sample(alone, request, _FOR_ONE_INVARIANT)
        number = None if outcome.failure is None else findings.add(situation.name, outcome.failure)
        cells.append(Cell(situation.name, invariant, outcome.verdict, outcome.said, number))
    return cells


def _search(scenario: Scenario, request: Request) -> Searched:
    """Sample, which finds most violations at once; where it finds none, go through all classes of interleavings.

    The exhaustive search may not come to its end, or be impossible: then the samples are what the verdict rests on.
    """
    sampled = _sample(scenario, request, 1.0)
    if sampled.verdict != "clean":
        return sampled
    try:
        result = certify(scenario, seconds=request.seconds, max_classes=request.classes)
    except (UsageError, CannotDo) as error:
        return _also(sampled, f"not searched exhaustively: {error}")
    if result.verdict == "incomplete":
        return _also(sampled, f"an exhaustive search did not end: {result.reason}")
    return _searched(result)


def _sample(scenario: Scenario, request: Request, part: float) -> Searched:
    """Sample with a part of the time and of the schedules of a search."""
    schedules = max(1, round(part * request.schedules))
    try:
        return _searched(explore(scenario, schedules=schedules, seconds=part * request.seconds, seed=request.seed))
    except (UsageError, CannotDo) as error:
        return Searched("not judged", f"not judged: {error}")


def _also(searched: Searched, said: str) -> Searched:
    return msgspec.structs.replace(searched, said=f"{searched.said}; {said}")


def _searched(result: Result) -> Searched:
    said = result.coverage if result.reason is None else f"{result.coverage}; {result.reason}"
    return Searched(result.verdict, said, result.failure)


class _Findings:
    """The failures of a strategy, by signature: the first of each is kept, and tried on a disk."""

    def __init__(self, request: Request) -> None:
        self._confirm = request.confirm
        self._numbers: dict[str, int] = {}
        self.found: list[Finding] = []

    def add(self, situation: str, failure: Failure) -> int:
        """The number of the finding that the failure belongs to, from 0."""
        number = self._numbers.setdefault(failure.signature, len(self.found))
        if number == len(self.found):
            confirmation = confirmed_or_why_not(failure) if self._confirm else None
            self.found.append(Finding(situation, failure, confirmation))
        return number
