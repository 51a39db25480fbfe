"""One run on a schedule that Hypothesis draws, and what it raises when an invariant is violated."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from simulator.boundary import installed
from simulator.boundary.tracers import tracers_apart
from simulator.campaigns.explanation.explaining import explain
from simulator.campaigns.explanation.failure import trace_of
from simulator.campaigns.given import Invariants
from simulator.campaigns.interface import Programs, experiment_of
from simulator.campaigns.result import Failure
from simulator.errors import CannotDo
from simulator.experiment import Experiment
from simulator.faults import Faults
from simulator.hypothesis.drawing import Prepared, Schedule, prepared
from simulator.reports.from_python import as_text
from simulator.run import Run
from simulator.scenario import Scenario
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape


class Outcome(msgspec.Struct, frozen=True):
    """A run in which every invariant held.

    ``returned`` is what each rank's program returned in the last attempt (ranks that died are absent), ``tape`` what
    was not as in an undisturbed run.
    """

    returned: dict[int, Any]
    tape: Tape


class Violated(AssertionError):
    """An invariant does not hold. The text has the reason and one lane per rank; ``failure`` is the failure itself.

    Hypothesis takes errors of one type that come from one line for one bug, so each signature of a violation has a
    subclass: different bugs are shrunk and reported each for itself.
    """

    __module__ = "simulator.hypothesis"

    def __init__(self, experiment: Experiment, run: Run) -> None:
        super().__init__()
        self._experiment = experiment
        self._run = run
        self._failure: Failure | None = None
        self._text = ""

    @property
    def failure(self) -> Failure:
        """The failure, explained. That takes many further runs, so it waits until somebody asks."""
        if self._failure is None:
            self._failure = _explained(self._experiment, self._run)
        return self._failure

    def __str__(self) -> str:
        if not self._text:
            self._text = as_text(self.failure).rstrip()
        return self._text


@cache
def _kind_of(signature: str) -> type[Violated]:
    return type("Violated", (Violated,), {"__module__": Violated.__module__, "__doc__": signature})


def run(
    programs: Programs | Scenario,
    schedule: Schedule,
    *,
    nodes: int | None = None,
    ranks_per_node: int | None = None,
    filesystem: str = "shared",
    faults: Faults | None = None,
    restarts: int = 0,
    pick: Callable[[Path], Path | None] | None = None,
    invariants: Invariants = (),
) -> Outcome:
    """Run a program (once a rank), one program a rank, a strategy, or a scenario, on one schedule.

    The arguments are those of ``simulator.explore``. Raises Violated, an AssertionError, when an invariant is violated;
    UsageError and Escape as ``explore`` does; CannotDo when no rank makes a call about a file, when the code under test
    is not deterministic, and when a budget ends a run. What a run takes depends on which states were judged before, so
    give the test ``settings(deadline=None)``.
    """

    def prepare() -> Prepared:
        return prepared(
            experiment_of(
                programs,
                nodes=nodes,
                ranks_per_node=ranks_per_node,
                filesystem=filesystem,
                faults=faults,
                restarts=restarts,
                pick=pick,
                invariants=invariants,
            )
        )

    key = _key(programs, nodes, ranks_per_node, filesystem, faults, restarts, pick, *invariants)
    with installed(), tracers_apart():
        known = schedule.preparations.get(key, prepare)
        experiment = known.experiment
        tape = schedule.tape(known)
        made = experiment.run(TapeReplay(tape), tape, draw=schedule.answers(known))
    if made.violation is not None:
        raise _kind_of(made.violation.signature)(experiment, made)
    if made.incomplete is not None:
        raise CannotDo(f"a run did not come to its end: {made.incomplete}")
    endings = made.attempts[-1].endings.items()
    returned = {rank: end.value for rank, end in endings if end.error is None and not end.killed}
    return Outcome(returned, made.tape)


def _key(*arguments: Any) -> Hashable:
    """Equal for the same objects, and for scenarios that are equal."""
    parts: list[Hashable] = []
    for argument in arguments:
        if isinstance(argument, Scenario):
            parts.append(msgspec.json.encode(argument))
        elif isinstance(argument, list | tuple):
            parts.append(tuple(map(_key, argument)))
        else:
            parts.append(argument)
    return tuple(parts)


def _explained(experiment: Experiment, failing: Run) -> Failure:
    with installed():
        detailed = experiment.run(TapeReplay(failing.tape), failing.tape, detail=True)
        violation = detailed.violation
        assert violation is not None, "a failure did not repeat on its own tape"
        explanation = explain(experiment, detailed)
    trace = trace_of(experiment, detailed, explanation)
    return Failure(
        violation.invariant, violation.rank, violation.message, violation.signature, trace, explanation, schedule=1
    )
