"""Make a failing schedule of a program small in a few runs: each takes as long as the program.

What the failing run has the other way round than the run without any choice of the schedule is turned round there, one
pair at a time, by one choice or two. Before that has used up its share of the runs, and after it, choices are undone in
shrinking chunks (delta debugging, Zeller and Hildebrandt 2002), which gets stuck where a choice shifts the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.campaigns.command.reversed_pairs import reversed_pairs
from simulator.campaigns.explanation.few_choices import Choice, Noting
from simulator.campaigns.explanation.minimise import cost_of
from simulator.interruption import leaving
from simulator.run import Run
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape

_MOST_RUNS = 60


def minimised(experiment: CommandExperiment, failing: Run, most: int = _MOST_RUNS) -> Run:
    """The smallest run found, in up to ``most`` runs, that violates what the failing one does with the same words.

    A failure of a restarted job stays one.
    """
    minimiser = _Minimiser(experiment, failing, most)
    with leaving():
        minimiser.minimise()
    return minimiser.best


class _Minimiser:
    def __init__(self, experiment: CommandExperiment, failing: Run, most: int) -> None:
        assert failing.violation is not None
        self._experiment = experiment
        self._signature = failing.violation.signature
        self._restarted = len(failing.attempts) > 1
        self._best = failing
        self._left = most

    @property
    def best(self) -> Run:
        """The smallest run found so far."""
        return self._best

    def minimise(self) -> None:
        self._make_few_choices(at_least=self._left // 2)
        self._undo_in_chunks()
        self._make_few_choices(at_least=0)

    def _undo_in_chunks(self) -> None:
        size = max(1, len(self._best.tape) // 2)
        while size and self._best.tape.choices and self._left > 0:
            entries = sorted(self._best.tape.choices.items())
            chunks = (entries[:start] + entries[start + size :] for start in range(0, len(entries), size))
            if not any(self._try(chunk) for chunk in chunks):
                size //= 2

    def _make_few_choices(self, at_least: int) -> None:
        """Try the single choices, then the pairs of them, as long as ``at_least`` so many runs are left."""
        faults = [choice for choice in self._best.tape.choices.items() if choice[0][1] != "schedule"]
        if self._left <= at_least or self._scheduled() <= 1:
            return
        noting = Noting(Tape(dict(faults)), everywhere=True)
        undisturbed = self._run(noting, faults)
        if self._keeps(undisturbed):
            return
        possible = {departure.choice for departure in noting.departures(undisturbed)}
        turning = [pair for pair in _turning(self._best, undisturbed) if pair[0] in possible]
        for most in (1, 2):
            for choices in turning:
                if self._left <= at_least or self._scheduled() <= most:
                    return
                self._try([*faults, *choices[:most]])

    def _scheduled(self) -> int:
        return sum(kind == "schedule" for _, kind, _, _ in self._best.tape.choices)

    def _try(self, choices: Iterable[Choice]) -> bool:
        """Run a tape; whether the run fails alike and costs less, so that it was kept."""
        choices = list(choices)
        return self._left > 0 and self._keeps(self._run(TapeReplay(Tape(dict(choices))), choices))

    def _run(self, scheduler: TapeReplay | Noting, choices: Iterable[Choice]) -> Run:
        self._left -= 1
        return self._experiment.run(scheduler, Tape(dict(choices)))

    def _keeps(self, run: Run) -> bool:
        alike = run.violation is not None and run.violation.signature == self._signature
        # That a restarted job fails is another finding than that one fails at first.
        alike = alike and (len(run.attempts) > 1) == self._restarted
        if not alike or cost_of(run) >= cost_of(self._best):
            return False
        self._best = run
        return True


def _turning(failing: Run, undisturbed: Run) -> Iterator[tuple[Choice, Choice]]:
    """For each such pair the choice that, in the undisturbed run, lets the other go first, and the one to go back."""
    given: set[tuple[Choice, Choice]] = set()
    for attempt in reversed(range(min(len(failing.attempts), len(undisturbed.attempts)))):
        steps = undisturbed.attempts[attempt].steps
        for pair in reversed_pairs(failing.attempts[attempt].steps, steps):
            held, other = steps[pair.second_there], steps[pair.first_there]
            choices = (
                ((attempt, "schedule", held.task, held.n), other.task + 1),
                ((attempt, "schedule", other.task, other.n + 1), held.task + 1),
            )
            if choices not in given:
                given.add(choices)
                yield choices
