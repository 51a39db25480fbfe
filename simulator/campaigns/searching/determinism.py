"""Whether two runs of one tape are the same: what every campaign rests on, checked before it begins."""

from __future__ import annotations

from simulator.engines.canonical import event_of
from simulator.errors import CannotDo
from simulator.experiment import Experiment
from simulator.run import Run
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from simulator.trace import Event


def undisturbed_run(experiment: Experiment, plan: Tape | None = None) -> Run:
    """The run of the empty tape, made twice. The boundary must be installed.

    Raises CannotDo, naming the first step that differs, when the code under test is not deterministic. A run that a
    budget ended tells nothing of that: it is given back at once.
    """
    tape = Tape()
    experiment.rehearse(TapeReplay(tape))
    first = experiment.run(TapeReplay(tape), plan)
    if first.incomplete is not None:
        return first
    second = experiment.run(TapeReplay(tape), plan)
    check_same(first, second, "the undisturbed tape")
    return second


def events_of(run: Run) -> list[list[Event]]:
    """The canonical events of each attempt."""
    return [[event_of(step) for step in attempt.steps] for attempt in run.attempts]


def check_same(first: Run, second: Run, what: str) -> None:
    """Raise CannotDo, naming the first differing step, when two runs of one tape differ.

    Where a budget of wall time ended one of them, only what both did is compared.
    """
    cut = first.incomplete is not None or second.incomplete is not None
    for attempt, (a, b) in enumerate(zip(events_of(first), events_of(second), strict=False)):
        for position, (x, y) in enumerate(zip(a, b, strict=False)):
            if not x.same_as(y):
                raise CannotDo(
                    f"the code under test is not deterministic: two runs of {what} differ in attempt {attempt} at step "
                    f"{position}: rank {x.rank} {x.kind} {x.arguments} then, rank {y.rank} {y.kind} {y.arguments} now"
                )
        if len(a) != len(b) and not cut:
            raise CannotDo(
                f"the code under test is not deterministic: two runs of {what} have {len(a)} and {len(b)} "
                f"operations in attempt {attempt}"
            )
