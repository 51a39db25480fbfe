"""Make a failing tape small: fewest context switches first, then fewest operations, with the same signature.

Three passes, each a re-run per candidate: undo choices in shrinking chunks (delta debugging, Zeller and Hildebrandt
2002), try every tape with a single switch (and, while the budget lasts, with two) at each point of the failing run,
and undo what has become superfluous. Switches that a blocked or ended rank forces are not counted as choices but are
counted as switches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations, pairwise

from simulator.experiment import Experiment
from simulator.run import Run
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Address, Tape

Cost = tuple[int, int, int]
"""(faults, context switches, operations)."""


def minimise(experiment: Experiment, failing: Run, *, budget: int = 3000) -> Run:
    """The smallest run found that fails with the same signature, within ``budget`` re-runs."""
    return _Minimiser(experiment, failing, budget).result()


def switches(run: Run) -> int:
    """The context switches of a run: how often a step is of another task than the step before."""
    count = 0
    for attempt in run.attempts:
        tasks = [step.task for step in attempt.steps]
        count += sum(1 for a, b in pairwise(tasks) if a != b)
    return count


class _Minimiser:
    def __init__(self, experiment: Experiment, failing: Run, budget: int) -> None:
        assert failing.violation is not None
        self._experiment = experiment
        self._signature = failing.violation.signature
        self._budget = budget
        self._tried: set[frozenset[tuple[Address, int]]] = set()
        self._best = failing
        self._cost = self._cost_of(failing)

    def result(self) -> Run:
        self._undo_in_chunks()
        self._few_switches()
        self._undo_in_chunks()
        return self._best

    def _cost_of(self, run: Run) -> Cost:
        faults = sum(1 for _, kind, _, _ in run.tape.choices if kind != "schedule")
        return faults, switches(run), run.operations

    def _try(self, choices: Iterable[tuple[Address, int]]) -> bool:
        """Run a candidate; keep it when it fails alike and costs less."""
        candidate = frozenset(choices)
        if candidate in self._tried or self._budget <= 0:
            return False
        self._tried.add(candidate)
        self._budget -= 1
        tape = Tape(dict(candidate))
        run = self._experiment.run(TapeReplay(tape), tape)
        if run.violation is None or run.violation.signature != self._signature:
            return False
        cost = self._cost_of(run)
        if cost >= self._cost:
            return False
        self._best, self._cost = run, cost
        return True

    def _undo_in_chunks(self) -> None:
        size = max(1, len(self._best.tape) // 2)
        while size:
            entries = sorted(self._best.tape.choices.items())
            shrunk = False
            for start in range(0, len(entries), size):
                if self._try(entries[:start] + entries[start + size :]):
                    shrunk = True
                    break
            if not shrunk:
                size //= 2
            else:
                size = min(size, max(1, len(self._best.tape) // 2))
            if not self._best.tape.choices:
                return

    def _few_switches(self) -> None:
        """Systematically try tapes with no, one and two schedule choices beside the faults, no more than there are."""
        faults = [(a, v) for a, v in self._best.tape.choices.items() if a[1] != "schedule"]
        wanted = len(self._best.tape) - len(faults)
        self._try(faults)
        for count in range(1, min(wanted, 2) + 1):
            points = list(self._points())
            if len(points) ** count > self._budget * 4:
                return
            for chosen in combinations(points, count):
                if self._budget <= 0:
                    return
                self._try([*faults, *chosen])

    def _points(self) -> Iterator[tuple[Address, int]]:
        """Every single switch that could be made somewhere in the failing run."""
        world_size = self._experiment.scenario.cluster.world_size
        for attempt, record in enumerate(self._best.attempts):
            for target in range(1, world_size):
                yield (attempt, "schedule", -1, 0), target + 1
            for step in record.steps:
                for target in range(world_size):
                    if target != step.task:
                        yield (attempt, "schedule", step.task, step.n + 1), target + 1
