"""Make a failing tape small: fewest context switches, then fewest operations, with the same signature.

Choices are undone in shrinking chunks (delta debugging, Zeller and Hildebrandt 2002); then the tapes with no, one and
two choices of the schedule beside the faults are gone through, as long as they can still be better; then single choices
are made elsewhere; in the end choices are undone one at a time until none can go. What counts first are the switches
that the schedule chooses: no tape can avoid those that a blocked or ended rank forces. Of all switches together there
are never more than in the beginning.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from simulator.campaigns.explanation.few_choices import Choice, Departure, Noting
from simulator.experiment import Experiment
from simulator.interruption import leaving
from simulator.run import Run
from simulator.tape import Tape

Cost = tuple[int, int, int, int]
"""(faults, choices of the schedule, context switches, operations)."""

_CHOICES = 2
"""So many choices at most are gone through."""
_OPERATIONS = 40_000
"""The search for few choices begins no further run after so many operations, nor does that for earlier ones."""


def minimise(experiment: Experiment, failing: Run, *, budget: int = 3000) -> Run:
    """The smallest run found that fails with the same signature, within ``budget`` re-runs.

    Unless the budget is used up, no single choice of its tape can be undone: the run would violate something else, or
    nothing, or have more context switches than the one that was found. When the command is to end, it is the smallest
    run found until then.
    """
    minimiser = _Minimiser(experiment, failing, budget)
    with leaving():
        minimiser.minimise()
    return minimiser.best


def switches(run: Run) -> int:
    """The context switches of a run: how often a step is of another task than the step before."""
    return sum(_switches([step.task for step in attempt.steps]) for attempt in run.attempts)


def cost_of(run: Run) -> Cost:
    """What is to be small, the most important first."""
    scheduled = sum(1 for _, kind, _, _ in run.tape.choices if kind == "schedule")
    return len(run.tape) - scheduled, scheduled, switches(run), run.operations


def _switches(tasks: list[int]) -> int:
    return sum(1 for a, b in pairwise(tasks) if a != b)


class _Minimiser:
    def __init__(self, experiment: Experiment, failing: Run, budget: int) -> None:
        assert failing.violation is not None
        self._experiment = experiment
        self._signature = failing.violation.signature
        self._budget = budget
        self._operations = 0
        self._tried: set[frozenset[Choice]] = set()
        self._best = failing
        self._cost = cost_of(failing)
        self._most = switches(failing)

    @property
    def best(self) -> Run:
        """The smallest run found so far."""
        return self._best

    def minimise(self) -> None:
        self._undo_in_chunks(max(1, len(self._best.tape) // 2))
        self._make_few_choices()
        self._undo_in_chunks(1)
        self._make_choices_elsewhere()
        self._undo_in_chunks(1)

    def _try(self, choices: Iterable[Choice]) -> bool:
        """Run a tape; keep the run when it fails alike and costs less."""
        before = self._best
        self._departures(choices)
        return self._best is not before

    def _departures(self, choices: Iterable[Choice], *, everywhere: bool = False) -> list[Departure]:
        """Run a tape, keep the run when it fails alike and costs less; where else it could have gone.

        That is behind its last choice, or ``everywhere``.
        """
        tape = Tape(dict(choices))
        known = frozenset(tape.choices.items())
        if (known in self._tried and not everywhere) or self._budget <= 0:
            return []
        self._tried.add(known)
        self._budget -= 1
        noting = Noting(tape, everywhere)
        run = self._experiment.run(noting, tape)
        self._operations += run.operations
        if run.violation is not None and run.violation.signature == self._signature:
            cost = cost_of(run)
            if cost < self._cost and cost[2] <= self._most:
                self._best, self._cost = run, cost
        return noting.departures(run)

    def _undo_in_chunks(self, size: int) -> None:
        while size and self._best.tape.choices:
            entries = sorted(self._best.tape.choices.items())
            chunks = (entries[:start] + entries[start + size :] for start in range(0, len(entries), size))
            if any(self._try(chunk) for chunk in chunks):
                size = min(size, max(1, len(self._best.tape) // 2))
            else:
                size //= 2

    def _faults(self) -> list[Choice]:
        return [(address, value) for address, value in self._best.tape.choices.items() if address[1] != "schedule"]

    def _make_few_choices(self) -> None:
        """Try the tapes with no, one and two choices beside the faults, except those that cannot be better."""
        faults = self._faults()
        roots: list[tuple[list[Choice], list[Departure]]] = [(faults, self._departures(faults))]
        for number in range(1, _CHOICES + 1):
            grown = []
            for choices, departures in roots:
                for departure in departures:
                    least = (len(faults), number, departure.switches, departure.operations)
                    # With two choices there are too many tapes to try them for fewer operations alone.
                    if (least if number == 1 else least[:-1]) >= self._cost[: len(least) if number == 1 else -1]:
                        continue
                    if self._operations > _OPERATIONS:
                        return
                    tape = [*choices, departure.choice]
                    grown.append((tape, self._departures(tape)))
            roots = grown

    def _make_choices_elsewhere(self) -> None:
        """Try to make each choice at another point, as long as that makes the run cheaper."""
        moved = True
        while moved:
            moved = False
            for choice in sorted(self._best.tape.choices.items()):
                if choice[0][1] != "schedule" or choice not in self._best.tape.choices.items():
                    continue
                rest = [each for each in self._best.tape.choices.items() if each != choice]
                for departure in self._departures(rest, everywhere=True):
                    least = (*self._cost[:2], departure.switches, departure.operations)
                    if least < self._cost and self._operations <= _OPERATIONS:
                        moved = self._try([*rest, departure.choice]) or moved
