"""The strategy ``schedules()``: what a run leaves open, drawn from Hypothesis when the run begins.

A switch is two draws, where it comes and to whom, and has an address of the tape. So undoing one leaves the others as
they are, the shortest sequence of draws is the schedule with the fewest switches, and Hypothesis shrinks to the
shortest first (MacIver and Donaldson, ECOOP 2020). If instead each step drew who goes on, as in PULSE (Claessen et al.,
ICFP 2009), the shortest sequence would be the one with the fewest steps.

What a file system answers where it has a choice is drawn likewise: after how many questions the next other answer
comes. Distances have to do there, since what it will be asked is not known before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence

import msgspec
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from simulator.campaigns.searching.determinism import undisturbed_run
from simulator.campaigns.searching.portfolio import sampled_faults
from simulator.campaigns.searching.sampling import rank_lengths
from simulator.campaigns.searching.vacuity import check_touches_files
from simulator.engines.interface import Step
from simulator.errors import CannotDo
from simulator.experiment import Experiment
from simulator.schedulers.races import Targets
from simulator.schedulers.replay import TapeReplay
from simulator.schedulers.surw import profile_of
from simulator.tape import Address, Tape

_RANDOM = st.randoms(use_true_random=False)
"""Draws from Hypothesis whatever is asked of it."""


class Schedule:
    """What ``schedules()`` draws: an argument of ``run``. Used for a second run it is another schedule.

    ``preparations`` are shared by all schedules of one test.
    """

    def __init__(self, draw: st.DrawFn, preparations: Preparations) -> None:
        self._draw = draw
        self.preparations = preparations

    def __repr__(self) -> str:
        return "<Schedule, drawn when a run begins>"

    def number(self, largest: int) -> int:
        """A number from 0 to ``largest``; Hypothesis shrinks it towards 0."""
        return self._draw(st.integers(0, largest))

    def answers(self, known: Prepared) -> DrawnAnswers | None:
        """What the file system will answer; None where it has no choices."""
        return None if known.questions is None else DrawnAnswers(self.number, known.questions)

    def tape(self, known: Prepared) -> Tape:
        """What is open before a run: first where faults strike, then where the schedule switches."""
        random = self._draw(_RANDOM)
        faults = sampled_faults(known.experiment.scenario, known.lengths, random) or Tape()
        return Tape({**faults.choices, **self._draw(known.switches).choices})


def schedules() -> st.SearchStrategy[Schedule]:
    """Schedules, and where the faults of a scenario's budget strike; shrinks to no fault and the fewest switches.

    A schedule is drawn by the run that it is given to, so it fits whatever program, cluster and workload that has.
    """
    preparations = Preparations()

    @st.composite
    def drawn(draw: st.DrawFn) -> Schedule:
        return Schedule(draw, preparations)

    return drawn()


Number = Callable[[int], int]
"""Draws a number from 0 to its argument."""

_CLOSE = 2
"""The longest distance where answers come close together: what asks again and again is told the same for long."""


class DrawnAnswers:
    """One instance a run. ``questions`` is how many an undisturbed run asks. Implements ``engines.answers.Draw``."""

    def __init__(self, number: Number, questions: int) -> None:
        self._number = number
        self._farthest = (questions, _CLOSE)[number(1)]
        self._left = number(self._farthest)

    def __call__(self, address: Address, options: int) -> int:
        """0, or when the distance is covered one of the others."""
        if not self._left:
            return 0
        self._left -= 1
        if self._left:
            return 0
        answer = 1 + self._number(options - 2)
        self._left = self._number(self._farthest)
        return answer


class Counted:
    """Answers as an undisturbed run is answered, and counts the questions."""

    def __init__(self) -> None:
        self.questions = 0

    def __call__(self, address: Address, options: int) -> int:
        """0."""
        self.questions += 1
        return 0


_MORE = 8
"""How many operations more than in an undisturbed run a task may do and still be interrupted after any of them."""


class Points:
    """Where a schedule may switch, and to which tasks. ``attempts`` are the steps of an undisturbed run.

    ``contended`` are the points of that run before an operation on a path that several tasks touch, ``usual`` all of
    its points, ``further`` those after operations that tasks may only do in other runs.
    """

    def __init__(self, attempts: Sequence[Sequence[Step]]) -> None:
        self.contended: list[Address] = []
        self.usual: list[Address] = []
        self.further: list[Address] = []
        self.tasks = 1 + max((step.task for steps in attempts for step in steps), default=0)
        for attempt, steps in enumerate(attempts):
            shared, targets = profile_of(steps), Targets()
            self.usual.append((attempt, "schedule", -1, 0))
            counts: dict[int, int] = {}
            for step in steps:
                n = counts.get(step.task, 0)
                if n and not shared.keys().isdisjoint(targets.of(step.task, step.operation)):
                    self.contended.append((attempt, "schedule", step.task, n))
                targets.done(step.task, step.operation)
                counts[step.task] = n + 1
                self.usual.append((attempt, "schedule", step.task, n + 1))
            for task, count in sorted(counts.items()):
                self.further += [(attempt, "schedule", task, count + n) for n in range(1, count + _MORE)]


def switches(points: Points) -> st.SearchStrategy[Tape]:
    """The choices of a schedule; shrinks to the fewest, and to the earliest."""
    others = max(0, points.tasks - 2)

    def choice(address: Address, distance: int) -> tuple[Address, int]:
        # The task that goes on is never the one that went last; at the start, never the first.
        last = max(address[2], 0)
        return address, (last + 1 + distance) % points.tasks + 1

    kinds = [st.sampled_from(kind) for kind in (points.contended, points.usual, points.further) if kind]
    chosen = st.lists(st.builds(choice, st.one_of(kinds), st.integers(0, others)))
    return chosen.map(lambda choices: Tape(dict(choices)))


_MOST = 64
"""How many experiments are kept: a test whose programs are made anew for each example would keep all of them."""


class Prepared(msgspec.Struct, frozen=True):
    """An experiment and its schedules; how many operations each rank does in an undisturbed run.

    ``questions`` is how many choices the file system has in it, None where it never has any.
    """

    experiment: Experiment
    switches: SearchStrategy[Tape]
    lengths: list[int]
    questions: int | None = None


def prepared(experiment: Experiment) -> Prepared:
    """Make the undisturbed run, twice. The boundary must be installed.

    Raises CannotDo when the code under test is not deterministic, when a budget ended the run, or when no rank makes a
    call about a file.
    """
    run = undisturbed_run(experiment)
    if run.incomplete is not None:
        raise CannotDo(f"the undisturbed run did not come to its end: {run.incomplete}")
    check_touches_files(run, experiment.scenario)
    counted = Counted() if experiment.has_choices else None
    if counted is not None:
        experiment.run(TapeReplay(Tape()), draw=counted)
    return Prepared(
        experiment,
        switches(Points([attempt.steps for attempt in run.attempts])),
        rank_lengths(run, experiment.scenario.cluster.world_size),
        None if counted is None else counted.questions,
    )


class Preparations:
    """The experiments that were used last, by what they were made of."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, Prepared] = OrderedDict()

    def get(self, key: Hashable, prepare: Callable[[], Prepared]) -> Prepared:
        """The one of that key, or what ``prepare`` makes."""
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = prepare()
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return found
