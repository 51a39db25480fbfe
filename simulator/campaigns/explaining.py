"""Why a run failed: the pair of operations whose order decides it, shown by a run in which the other order passes.

Candidates are pairs of operations of two tasks that conflict (their footprints, found by doing the recorded
operations once more on an empty model), the latest first. For each, the run is repeated with the second operation
before the first and everything else in the recorded order as far as that goes. The first pair whose flip passes every
invariant is the explanation. Where many ranks race at once, the flip of one pair leaves the others racing; then the
context switches that the schedule chose are undone one at a time, and if the run passes without one, the pair is that
of conflicting operations which the switch had put the other way round. Nothing is claimed that was not run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from simulator.engines.interface import Step, default_task
from simulator.experiment import Experiment
from simulator.filesystems.posix.model import PosixModel
from simulator.operations import Collective, Footprint, Join, Sleep, conflict
from simulator.run import Frontier, Run, Scheduler
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape

_FLIPS = 300
"""How many flips are tried at most."""
_LATEST = 60
"""So many are tried before context switches are undone: the latest pairs are the most telling."""
_NEARBY = 40
"""Pairs that do not conflict are tried too (orders of mtimes decide without a conflict), this many."""


class Explanation(msgspec.Struct, frozen=True):
    """Positions of the deciding pair in the attempt's events (None where no order decides), and what the flip gives."""

    attempt: int
    first: int | None
    second: int | None
    flipped: str
    text: str = ""

    def table(self) -> dict[str, Any]:
        """The form that a trace keeps."""
        table: dict[str, Any] = {"flipped": self.flipped, "text": self.text}
        if self.first is not None and self.second is not None:
            table["first"] = {"attempt": self.attempt, "position": self.first}
            table["second"] = {"attempt": self.attempt, "position": self.second}
        return table


def explain(experiment: Experiment, failing: Run) -> Explanation:
    """Find the deciding pair of a failing run; says so where no order of two operations decides."""
    attempt = len(failing.attempts) - 1
    candidates = list(_candidates(failing, attempt))
    return (
        _by_a_flip(experiment, failing, attempt, candidates[:_LATEST])
        or _by_a_switch(experiment, failing, attempt, candidates)
        or _by_a_flip(experiment, failing, attempt, candidates[_LATEST:])
        or Explanation(attempt, None, None, "", _without_a_pair(experiment, failing, attempt))
    )


def _by_a_flip(
    experiment: Experiment, failing: Run, attempt: int, candidates: Sequence[tuple[int, int]]
) -> Explanation | None:
    """The first pair whose flip passes."""
    steps = failing.attempts[attempt].steps
    for first, second in candidates:
        flipped = experiment.run(_Flipped(failing, attempt, first, second), failing.tape)
        if (
            flipped.violation is None
            and flipped.incomplete is None
            and _came_first(flipped, attempt, steps, first, second)
        ):
            return Explanation(attempt, first, second, "The same run with B before A passes.")
    return None


def _by_a_switch(
    experiment: Experiment, failing: Run, attempt: int, candidates: Sequence[tuple[int, int]]
) -> Explanation | None:
    """The latest context switch without which the run passes, and a pair whose order it decides."""
    steps = failing.attempts[attempt].steps
    switches = [address for address in failing.tape.choices if address[0] == attempt and address[1] == "schedule"]
    positions = {(step.task, step.n + 1): position for position, step in enumerate(steps)}
    for address in sorted(switches, key=lambda address: -positions.get((address[2], address[3]), 0)):
        tape = failing.tape.without(address)
        without = experiment.run(TapeReplay(tape), tape)
        if without.violation is not None or without.incomplete is not None or address[2] < 0:
            continue
        for first, second in candidates:
            if steps[second].task == address[2] and _came_first(without, attempt, steps, first, second):
                return Explanation(
                    attempt,
                    first,
                    second,
                    f"If rank {steps[second].rank} is not interrupted, B comes before A, and the run passes.",
                )
    return None


def _without_a_pair(experiment: Experiment, failing: Run, attempt: int) -> str:
    faults = [text for record in failing.attempts for _, text in record.faults]
    if faults:
        without = experiment.run(TapeReplay(failing.tape), _without_faults(failing.tape))
        if without.violation is None:
            return f"The fault decides ({'; '.join(faults)}): without it the same schedule passes."
    undisturbed = experiment.run(TapeReplay(Tape()))
    if undisturbed.violation is not None and undisturbed.violation_name == failing.violation_name:
        return "No order of two operations decides: the undisturbed run, one rank after the other, fails too."
    return "No single pair of operations was found whose order decides it."


def footprints(steps: Sequence[Step]) -> list[Footprint]:
    """The footprint of each step of a first attempt, by doing the recorded operations again on an empty model."""
    model = PosixModel()
    result: list[Footprint] = []
    for position, step in enumerate(steps):
        if isinstance(step.operation, Collective | Join | Sleep):
            result.append(())
            continue
        model.accesses = []
        with suppress(OSError):
            model.perform(step.rank, step.operation, (position + 1) * 1000)
        result.append(tuple(model.accesses or ()))
    return result


def _candidates(failing: Run, attempt: int) -> Iterator[tuple[int, int]]:
    """Pairs (first, second) of positions, the most telling first, at most ``_FLIPS``."""
    steps = failing.attempts[attempt].steps
    granted = [p for p, step in enumerate(steps) if not isinstance(step.operation, Collective | Join)]
    touched = footprints(steps) if attempt == 0 else None
    conflicting: list[tuple[int, int]] = []
    others: list[tuple[int, int]] = []
    for second in reversed(granted):
        for first in reversed(granted):
            if first >= second or steps[first].task == steps[second].task:
                continue
            clash = touched is None or conflict(touched[first], touched[second]) is not None
            (conflicting if clash else others).append((first, second))
    yield from conflicting[:_FLIPS]
    yield from others[:_NEARBY]


class _Flipped:
    """Repeats a run, but holds the task of ``first`` there until ``second`` is done."""

    def __init__(self, failing: Run, attempt: int, first: int, second: int) -> None:
        steps = failing.attempts[attempt].steps
        self._replay: Scheduler = TapeReplay(failing.tape)
        self._attempt = attempt
        self._now = -1
        self._held = steps[first].task
        self._until = (steps[second].task, steps[second].n)
        order = [step.task for step in steps if not isinstance(step.operation, Collective | Join)]
        index = sum(1 for step in steps[:first] if not isinstance(step.operation, Collective | Join))
        end = sum(1 for step in steps[: second + 1] if not isinstance(step.operation, Collective | Join))
        between = order[index:end]
        self._order = [
            *order[:index],
            *(task for task in between if task != self._held),
            *(task for task in between if task == self._held),
            *order[end:],
        ]
        self._holds_from = index
        self._position = 0
        self._granted = 0

    def begin(self, attempt: int) -> None:
        self._now = attempt
        self._replay.begin(attempt)

    def choose(self, frontier: Frontier, last: int) -> int:
        if self._now != self._attempt:
            return self._replay.choose(frontier, last)
        task, n = self._until
        holding = self._granted >= self._holds_from and frontier.position(task) <= n
        self._granted += 1
        while self._position < len(self._order):
            wanted = self._order[self._position]
            self._position += 1
            if wanted in frontier.pending:
                return wanted
        choices = [t for t in frontier.ready if not (holding and t == self._held)]
        return default_task(choices or frontier.ready, last)


def _came_first(flipped: Run, attempt: int, steps: Sequence[Step], first: int, second: int) -> bool:
    """Whether the flip took place: ``second`` was done, by the same call, before ``first``."""
    if len(flipped.attempts) <= attempt:
        return False
    a, b = (steps[first].task, steps[first].n), (steps[second].task, steps[second].n)
    order = {(step.task, step.n): position for position, step in enumerate(flipped.attempts[attempt].steps)}
    if b not in order or type(flipped.attempts[attempt].steps[order[b]].operation) is not type(steps[second].operation):
        return False
    return a not in order or order[b] < order[a]


def _without_faults(tape: Tape) -> Tape:
    return Tape({address: value for address, value in tape.choices.items() if address[1] == "schedule"})
