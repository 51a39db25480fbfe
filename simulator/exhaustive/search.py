"""The whole search: every attempt of the job from every start, with every plan of errors, class by class."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import msgspec

from simulator.exhaustive.attempts import Start
from simulator.exhaustive.errand import Journey
from simulator.exhaustive.injections import Plan
from simulator.exhaustive.judging import Finding, Instant
from simulator.exhaustive.replayer import Rewindable
from simulator.exhaustive.states import StateJudge, name_of_state
from simulator.exhaustive.tree import part_left_of
from simulator.exhaustive.unit import Unit
from simulator.experiment import Experiment
from simulator.happens_before import NO_LOOKS, Looks
from simulator.operations import Lock


class Counts(msgspec.Struct):
    """What a search has done so far.

    ``classes`` that are complete, ``runs``, how many of them were ``redundant``, the ``operations`` of all, and the
    ``states`` that were judged.
    """

    classes: int = 0
    runs: int = 0
    redundant: int = 0
    operations: int = 0
    states: int = 0


class Proof(msgspec.Struct, frozen=True):
    """A violation that was found: from which start, with which errors, by which schedule."""

    start: Start
    plan: Plan
    finding: Finding


class Search:
    """One pass with what is known of looks at times. When ``wider`` says that more was looked at, it must be repeated.

    ``proof`` is the first violation; ``reason`` says why a search that has come to its end is not complete all the
    same.
    """

    def __init__(self, experiment: Experiment, looks: Looks = NO_LOOKS, preemptions: int | None = None) -> None:
        self._experiment = experiment
        self._preemptions = preemptions
        self.looks = looks
        self.wider = looks
        self.states = StateJudge(experiment, looks)
        self.counts = Counts()
        self.classes: set[int] = set()
        self.interleaved = False
        self.proof: Proof | None = None
        self.reason: str | None = None
        self.unit: Unit | None = None
        self._restarts = experiment.scenario.restarts
        self._starts: set[tuple[object, ...]] = set()
        self._plans: set[tuple[int, Plan]] = set()
        self._waiting: deque[tuple[int, Start, Plan]] = deque()
        self._number = 0
        self._done = 0
        self._add(Start.first(experiment), ())

    def steps(self) -> Iterator[Counts]:
        """Make one run after the other, and judge its class. Ends when all is explored, or at the first violation."""
        while self._waiting and self.proof is None:
            number, start, plan = self._waiting[0]
            self._number = number
            reached = self._reached if start.attempt < self._restarts else None
            self.unit = Unit(self._experiment, start, plan, self.looks, self.states, reached, self._preemptions)
            for journey in self.unit.exploration.journeys():
                self._take_in(self.unit, journey)
                yield self.counts
                if self.proof is not None or self.wider != self.looks:
                    return
            self._waiting.popleft()
            self._done += 1

    @property
    def fraction(self) -> float:
        """An estimate of the part of the search that is done."""
        if self.unit is None:
            return 0.0
        units = self._done + max(1, len(self._waiting))
        return (self._done + (part_left_of(self.unit.exploration.leaf) if self._waiting else 0.0)) / units

    def _take_in(self, unit: Unit, journey: Journey) -> None:
        counts, injections = self.counts, unit.injections
        counts.runs += 1
        counts.operations += len(journey.order)
        self.interleaved = self.interleaved or journey.interleaved
        key = hash((self._number, journey.order.key(), tuple(sorted(injections.struck))))
        if key in self.classes:
            counts.redundant += 1
        self.classes.add(key)
        counts.classes = len(self.classes)
        self.wider |= journey.looks
        if self.wider != self.looks:
            return
        if journey.incomplete is not None:
            self.reason = journey.incomplete
        if unit.start.can_die and any(isinstance(step.operation, Lock) for step in journey.order.steps):
            self.reason = "a rank that dies lets its file locks go, and what the others do then is not explored"
        finding = unit.judge.judge(journey, unit.exploration.shared)
        counts.states = len(self.states.judged)
        self.wider |= Looks(self.states.times)
        if finding is not None:
            self.proof = Proof(unit.start, frozenset(injections.struck), finding)
        for plan in injections.further(unit.start.errors):
            self._add_plan(self._waiting[0][0], unit.start, plan)

    def _reached(self, unit: Unit, journey: Journey, instant: Instant, filesystem: Rewindable) -> None:
        """The attempt can end here: the next one starts on what is left."""
        state = self.states.timed(filesystem, name_of_state(filesystem, unit.start.attempt + 1))
        for start in unit.start.after(journey, instant, unit.injections.struck):
            self._add(start, (state, start.carried, start.kills, start.node_kills, start.errors))

    def _add(self, start: Start, key: tuple[object, ...]) -> None:
        if key not in self._starts:
            self._starts.add(key)
            self._add_plan(len(self._starts), start, frozenset())

    def _add_plan(self, number: int, start: Start, plan: Plan) -> None:
        if (number, plan) not in self._plans:
            self._plans.add((number, plan))
            self._waiting.append((number, start, plan))
