"""The incident that this project was made from, at toy size: hiyouga/LLaMA-Factory#6882.

Fine-tuning on several nodes with transformers 4.49.0.dev0 (#35580) and DeepSpeed ZeRO-3, some ranks died on the rename
of their temporary directory, others on the deletion of a checkpoint; and where nobody died, the checkpoint was gone all
the same, which no rank reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from simulator.boundary import installed
from simulator.campaigns.explanation.failure import failure_of
from simulator.campaigns.replay.confirming import Confirmation, confirm
from simulator.campaigns.result import Failure
from simulator.campaigns.searching.collecting import collect
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
