"""The runs of one attempt from one start with one plan of errors, and what is judged of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from simulator.exhaustive.attempts import Places, Start, patience_of
from simulator.exhaustive.brought import Brought, brought_of
from simulator.exhaustive.errand import Errand, Journey
from simulator.exhaustive.injections import Injections, Plan
from simulator.exhaustive.judging import Carried, ClassJudge, Instant
from simulator.exhaustive.outages import OutageClasses, telling_or_syncing
from simulator.exhaustive.replayer import Rewindable
from simulator.exhaustive.report import Report, StartKey, key_of
from simulator.exhaustive.states import StateJudge, name_of_state
from simulator.exhaustive.walker import Walker
from simulator.experiment import Experiment
from simulator.filesystems import PosixModel
from simulator.filesystems.durability import Change
from simulator.happens_before import Looks
from simulator.operations import Lock, paths_of
from simulator.operations.footprint import all_changes

_AGES = (
    "a restart looks at more than the order of times (how old a file is, say), and the search follows their order only "
    "from one attempt to the next"
)
_DISAGREE = (
    "ranks disagree about a collective, what then happens depends on who gets there first, and the search does not go "
    "through that"
)
_SCRATCH = (
    "a node that dies loses what its ranks had in a directory for temporary files, and what a restart does without it "
    "is not explored"
)
_LOCKS = "a rank that dies lets its file locks go, and what the others do then is not explored"


class Unit:
    """Makes the runs, and judges them.

    ``look_up`` is called before each state is judged; what it raises breaks the run off.
    """

    def __init__(
        self,
        experiment: Experiment,
        start: Start,
        plan: Plan,
        looks: Looks,
        states: StateJudge,
        bounded: bool = False,
        look_up: Callable[[], None] = lambda: None,
    ) -> None:
        scenario = experiment.scenario
        self.start = start = start.with_steps(experiment)
        self._looks = looks
        self._states = states
        self._injections = injections = Injections(scenario.faults.errors, plan, scenario.cluster.world_size)
        self._bounded = bounded
        self._patience = patience_of(experiment, start, injections)
        self._restarts = scenario.restarts
        self._walker = Walker(
            Places(experiment, start, injections).begin, self._patience, looks, scenario.budgets, bounded
        )
        self._replayer = replayer = start.replayer(experiment)
        replayer.answer_by(self._injections.planned)
        self._starts: list[tuple[StartKey, Start]] = []
        goes_on = start.attempt < scenario.restarts
        powered = not start.power_losses
        self._judge = ClassJudge(
            experiment,
            states,
            replayer,
            attempt=start.attempt,
            carried=start.carried,
            kills=start.kills,
            node_kills=start.node_kills,
            reached=self._reached if goes_on else None,
            telling=None if powered else telling_or_syncing,
            look_up=look_up,
        )
        self._outages: OutageClasses | None = None
        if not powered:
            reached = self._lost_power if goes_on else None
            self._outages = OutageClasses(experiment, replayer, look_up, start.attempt, start.carried, reached)

    def make(self, errand: Errand) -> Journey:
        """Make a run. It is to be judged, and taken in by the tree, before the next one is made."""
        return self._walker.make(errand)

    def brought(self, journey: Journey) -> Brought:
        """What the run brings to the tree."""
        return brought_of(journey, self._replayer, self._patience, bounded=self._bounded)

    def judge(self, journey: Journey) -> Report:
        """Judge the run's class, unless more is looked at than was known. Nothing is kept if this is broken off."""
        injections = self._injections
        report = Report(
            key=journey.order.key(),
            struck=frozenset(injections.struck),
            operations=len(journey.order),
            interleaved=journey.interleaved,
            waits=self._patience.waits,
            looks=journey.looks,
            incomplete=journey.incomplete,
            finding=None,
            states=[],
            starts=[],
            plans=injections.further(self.start.errors),
        )
        if report.looks | self._looks != self._looks:
            return report
        if self.start.attempt and all_changes() in journey.looks.times:
            report.incomplete = _AGES
            return report
        if self.start.can_die and any(isinstance(step.operation, Lock) for step in journey.order.steps):
            report.incomplete = report.incomplete or _LOCKS
        nodes_die = self.start.node_kills + self.start.power_losses > 0
        if nodes_die and self.start.attempt < self._restarts and _uses_scratch(journey):
            report.incomplete = report.incomplete or _SCRATCH
        if journey.mismatch is not None:
            report.incomplete = report.incomplete or _DISAGREE
        lost = None
        if self._outages is not None:
            # First, since what is certain at a cut is carried over to where the next attempt starts.
            lost = self._outages.judge(journey)
            report.incomplete = report.incomplete or self._outages.reason
        report.finding = self._judge.judge(journey) or lost
        report.looks |= Looks(self._states.times)
        if all_changes() in self._states.times:
            report.incomplete = report.incomplete or _AGES
        if report.looks | self._looks != self._looks:
            # The times at a cut are those of one order of its steps, and the schedule that is told may be of another.
            report.finding = None
        report.states = self._states.take_new()
        report.starts, self._starts = self._starts, []
        return report

    def _reached(self, journey: Journey, instant: Instant, filesystem: Rewindable) -> None:
        """The attempt can end here: the next one starts on what is left.

        Where the power may fail later, more than the state tells two starts apart: what of it is on the disk, and what
        a later sync makes of that. Which steps were taken decides it, and what their class leaves open.
        """
        carried = instant.carried
        if self._outages is not None:
            history = hash((self.start.carried.history, self._judge.cuts.key_of(journey, instant.cut)))
            durable = self._outages.certain(journey, instant.cut)
            carried = msgspec.structs.replace(carried, durable=durable, history=history)
            instant = msgspec.structs.replace(instant, carried=carried)
        state = self._states.timed(filesystem, name_of_state(filesystem, self.start.attempt + 1))
        for start in self.start.after(journey, instant, self._injections.struck):
            self._starts.append((key_of(state, start), start))

    def _lost_power(
        self,
        journey: Journey,
        positions: Sequence[int],
        lost: tuple[Change, ...],
        carried: Carried,
        disk: PosixModel,
    ) -> None:
        """The power can fail here: the next attempt starts on the disk that is left."""
        start = self.start.after_power_loss(journey, positions, lost, carried, self._injections.struck)
        state = self._states.timed(disk, name_of_state(disk, start.attempt))
        self._starts.append((key_of(state, start), start))


def _uses_scratch(journey: Journey) -> bool:
    return any(path.startswith("/") for step in journey.order.steps for path in paths_of(step.operation))
