"""What the demonstration shows, and what it is expected to show: a difference is a fault of this project.

The incident is hiyouga/LLaMA-Factory#6882 at toy size.
Fine-tuning on several nodes with transformers 4.49.0.dev0 (#35580) and DeepSpeed ZeRO-3, some ranks died on the rename
of their temporary directory, others on the deletion of a checkpoint; and where nobody died, the checkpoint was gone all
the same, which no rank reported.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from simulator import registry
from simulator.boundary import installed
from simulator.campaigns.explanation.failure import failure_of
from simulator.campaigns.replay.confirming import Confirmation, confirm
from simulator.campaigns.result import Failure, Result
from simulator.campaigns.scale.scale_result import ScaleResult
from simulator.campaigns.searching.collecting import collect
from simulator.campaigns.searching.sampling import sample
from simulator.engines.crew import side_by_side
from simulator.errors import CannotDo
from simulator.experiment import Experiment
from simulator.faults import Faults
from simulator.invariants import Violation
from simulator.scenario import Cluster, Scenario, StrategyChoice, Workload

STRATEGY = "transformers-4.49-dev-35580"
_SCHEDULES = 1000
_MINIMISING = 100
"""Re-runs spent on making a failure small: it has eight ranks, and somebody waits for the demonstration."""

_SCENARIO = Scenario(
    cluster=Cluster(nodes=2, ranks_per_node=4),
    workload=Workload(layout="zero", steps=1),
    strategy=StrategyChoice(STRATEGY),
    faults=Faults(job_death=False),
)


class Outcome(msgspec.Struct):
    """One of the ways in which the incident ends, found, made small, and tried on a disk."""

    title: str
    failure: Failure
    confirmation: Confirmation


def _rename_fails(violation: Violation) -> bool:
    return "Directory not empty: 'tmp-checkpoint" in violation.message and "->" in violation.message


def _deletion_fails(violation: Violation) -> bool:
    return "FileNotFoundError: [Errno 2] No such file or directory" in violation.message


_RAISED: Mapping[str, Callable[[Violation], bool]] = {
    "Directory not empty: a rank cannot rename its temporary directory": _rename_fails,
    "No such file or directory: a rank deletes what another rank is deleting": _deletion_fails,
}
SILENT = "No rank reports anything, and the checkpoint is lost"


def incident(seed: int = 0) -> Iterator[Outcome]:
    """Find the three outcomes, one after the other. Raises CannotDo, naming the outcome, when one is not found."""
    raising = Experiment(msgspec.structs.replace(_SCENARIO, invariants=("no-error",)))
    silent = Experiment(_SCENARIO)
    with installed():
        caught = collect(raising, _RAISED, schedules=_SCHEDULES, seed=seed)
        caught |= collect(silent, {SILENT: lambda violation: violation.invariant == "complete"}, schedules=1, seed=seed)
    for title in (*_RAISED, SILENT):
        if title not in caught:
            raise CannotDo(f"{STRATEGY}: not found within {_SCHEDULES} schedules: {title}")
        experiment = silent if title == SILENT else raising
        with installed():
            failure = failure_of(experiment, caught[title].run, caught[title].schedule, budget=_MINIMISING)
        yield Outcome(title, failure, confirm(failure))


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
    yield from side_by_side(_one, requests, count)


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


REMEDY = "staged-barrier"
"""The strategy that the incident is compared with at its own size."""


class Demonstration(msgspec.Struct):
    """The three outcomes of the incident, every strategy, and the incident at its own size beside a remedy."""

    outcomes: list[Outcome]
    surveyed: list[Surveyed]
    at_scale: list[ScaleResult]
    seed: int = 0
    seconds: float = 0.0


_EITHER = None
_EXPECTED: Mapping[str, tuple[str | None, str | None]] = {
    "incremental": ("clean", "clean"),
    "manifest": ("clean", "clean"),
    "per-node-dirs": ("clean", "clean"),
    "staged-barrier": ("clean", "clean"),
    "transformers-4.35": ("clean", "violated"),
    "transformers-4.36.0": ("violated", "violated"),
    "transformers-4.36.1": ("violated", "violated"),
    "transformers-4.36.2": ("clean", _EITHER),
    "transformers-4.36.2, save on each node": ("violated", "violated"),
    "transformers-4.37": ("clean", _EITHER),
    "transformers-4.38": ("violated", "violated"),
    "transformers-4.49-dev-35580": ("violated", "violated"),
    "transformers-4.49-dev-36094": ("violated", "violated"),
    "transformers-4.52": ("clean", "violated"),
    "transformers-5.23": ("clean", "violated"),
}
"""Verdicts by strategy: when nobody dies, and when a rank or the job may."""


def surprises(demonstration: Demonstration) -> list[str]:
    """What came out otherwise than expected, a line each; nothing when all is well."""
    lines = [
        f"{outcome.title}: {outcome.confirmation.text}"
        for outcome in demonstration.outcomes
        if outcome.confirmation.outcome != "confirmed"
    ]
    for each in demonstration.surveyed:
        expected = _EXPECTED.get(each.candidate.title, (_EITHER, _EITHER))
        for verdict, (when, tried) in zip(expected, searches(each), strict=True):
            if verdict is not _EITHER and tried.result.verdict != verdict:
                lines.append(f"{each.candidate.title}, {when}: {tried.result.verdict}, expected was {verdict}")
            if tried.confirmation is not None and tried.confirmation.outcome == "disagree":
                lines.append(f"{each.candidate.title}, {when}: {tried.confirmation.text}")
    return lines + _at_scale(demonstration.at_scale)


def searches(each: Surveyed) -> Sequence[tuple[str, Tried]]:
    """The two searches of a strategy, each with the words for it."""
    return (("nobody dies", each.undisturbed), ("a rank or the job may die", each.dying))


def _at_scale(runs: Sequence[ScaleResult]) -> list[str]:
    lines = []
    for run in runs:
        fails = run.verdict == "violated"
        if run.strategy in (STRATEGY, REMEDY) and fails != (run.strategy == STRATEGY):
            lines.append(f"{run.strategy} at the size of 72B: it {'fails' if fails else 'does not fail'}")
    return lines
