"""Whether there is something to judge, and whether it can be done in more than one order.

A job that breaks down undisturbed shows nothing of its saves, one that touches no file has none. A job in which never
two ranks could go on is one class of interleavings: rank 0 alone saves, the others wait.
"""

from __future__ import annotations

from simulator.errors import CannotDo
from simulator.experiment import ROOT
from simulator.faults import FALLIBLE
from simulator.invariants.violation import text_of
from simulator.run import Run
from simulator.scenario import Scenario
from simulator.tape import Address, Tape


def breakdown_of(undisturbed: Run, scenario: Scenario) -> str | None:
    """Why the undisturbed run shows too little for a verdict of clean or certified, if so.

    It does when a rank raises or does not end and no invariant that is judged says so: what the job would have done
    after that was not tested, neither there nor, most likely, in any other schedule.
    """
    if undisturbed.violation is not None or undisturbed.incomplete is not None:
        return None
    for attempt in undisturbed.attempts:
        for rank, ending in sorted(attempt.endings.items()):
            if ending.error is not None:
                return _told(f"rank {rank} raises {text_of(ending.error, ROOT)}", "no-error")
        missing = [rank for rank in range(scenario.cluster.world_size) if rank not in attempt.endings]
        if missing:
            return _told(f"rank {missing[0]} does not end", "no-hang")
    if scenario.strategy is not None and not any(attempt.saves for attempt in undisturbed.attempts):
        every, steps = scenario.workload.save_every, scenario.workload.steps
        return f"no save was made: workload.save_every is {every}, workload.steps {steps}"
    return None


def check_touches_files(undisturbed: Run, scenario: Scenario) -> None:
    """Raise CannotDo where a run that nothing disturbed made no call about a file: there is nothing to judge.

    Where it broke down before, or a strategy saved nothing, that is the reason, and ``breakdown_of`` tells it.
    """
    if undisturbed.violation is not None or undisturbed.incomplete is not None:
        return
    if breakdown_of(undisturbed, scenario) is not None:
        return
    world_size = scenario.cluster.world_size
    for attempt in undisturbed.attempts:
        if any(type(step.operation).__name__.lower() in FALLIBLE for step in attempt.steps):
            return
    ranks = "the only rank" if world_size == 1 else f"none of {world_size} ranks"
    made = "made no call" if world_size == 1 else "made a call"
    raise CannotDo(f"{ranks} {made} about a file below rank.root, so nothing was tested")


def instants_of(undisturbed: Run) -> int:
    """At how many instants the job could have died: before and after each operation of every attempt."""
    return undisturbed.operations + len(undisturbed.attempts)


def one_class_in_words(instants: int, *, judged: bool) -> str:
    """What a verdict says where never two ranks could go on; ``judged``: what a death at an instant would leave is."""
    if not judged:
        return "nothing to interleave; no instant of death judged, as nothing says what a restart would take"
    return f"nothing to interleave; {instants:,} instants of death judged"


class Repeats:
    """Knows which drawn faults would lead to a run that was made before.

    They do where that run left no choice: never could two ranks go on, and the file system has none (``choices``).
    """

    def __init__(self, *, choices: bool) -> None:
        self._choices = choices
        self._made: set[frozenset[tuple[Address, int]]] = set()
        self._in_a_row = 0

    def note(self, plan: Tape | None, run: Run) -> None:
        """A run was made with these faults."""
        self._in_a_row = 0
        if not run.interleaved and not self._choices:
            self._made.add(_drawn(plan))

    def has(self, plan: Tape | None) -> bool:
        """Whether a run with these faults would be the one that was made."""
        repeated = _drawn(plan) in self._made
        self._in_a_row = self._in_a_row + 1 if repeated else 0
        return repeated

    @property
    def ended(self) -> bool:
        """Whether so many in a row were repeats that others are hardly to be expected."""
        return self._in_a_row >= _MOST_REPEATS


_MOST_REPEATS = 1000


def _drawn(plan: Tape | None) -> frozenset[tuple[Address, int]]:
    return frozenset(plan.choices.items()) if plan is not None else frozenset()


def _told(what: str, invariant: str) -> str:
    return (
        f"{what} even when nothing disturbs it, which {invariant}, not judged here, would report: what the job would "
        "do after that was not tested"
    )
