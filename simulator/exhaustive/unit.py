"""The runs of one attempt from one start with one plan of errors, and what is judged of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from simulator.exhaustive.attempts import Places, Start, patience_of
from simulator.exhaustive.execution import Execution, Prefix
from simulator.exhaustive.injections import Injections, Plan
from simulator.exhaustive.judging import Carried, ClassJudge, Finding, Instant, State, StateJudge, name_of_state
from simulator.exhaustive.outages import OutageClasses, telling_or_syncing
from simulator.exhaustive.replayer import Rewindable
from simulator.exhaustive.reversals import Brought, brought_of
from simulator.exhaustive.walker import Walker
from simulator.experiment import Experiment
from simulator.filesystems import PosixModel
from simulator.filesystems.durability import Change
from simulator.happens_before import Looks
from simulator.operations import Lock, paths_of
from simulator.operations.footprint import all_changes

StartKey = tuple[State, Carried, tuple[int, int, int, tuple[int, ...]]]
"""Names a start: the state, what is carried over, and the faults that are left."""


def key_of(state: State, start: Start) -> StartKey:
    """The name of a start in a state."""
    return state, start.carried, (start.kills, start.node_kills, start.power_losses, start.errors)


class Report(msgspec.Struct):
    """Of one run.

    ``key`` names its class, ``struck`` is the plan of errors that came about. ``states`` are those that were judged for
    the first time, ``looks`` all that was looked at. ``starts`` and ``plans`` are what is to be explored beside.
    ``waits``: a rank polls that does not give up by itself. ``reached`` is the code that was executed for the first
    time, see ``executed``.
    """

    key: int
    struck: Plan
    operations: int
    interleaved: bool
    waits: bool
    looks: Looks
    incomplete: str | None
    finding: Finding | None
    states: list[State]
    starts: list[tuple[StartKey, Start]]
    plans: list[Plan]
    reached: list[int] = []


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

    def make(self, prefix: Prefix) -> Execution:
        """Make a run. It is to be judged, and taken in by the tree, before the next one is made."""
        return self._walker.make(prefix)

    def brought(self, execution: Execution) -> Brought:
        """What the run brings to the tree."""
        return brought_of(execution, self._replayer, self._patience, bounded=self._bounded)

    def judge(self, execution: Execution) -> Report:
        """Judge the run's class, unless more is looked at than was known. Nothing is kept if this is broken off."""
        injections = self._injections
        report = Report(
            key=execution.order.key(),
            struck=frozenset(injections.struck),
            operations=len(execution.order),
            interleaved=execution.interleaved,
            waits=self._patience.waits,
            looks=execution.looks,
            incomplete=execution.incomplete,
            finding=None,
            states=[],
            starts=[],
            plans=injections.further(self.start.errors),
        )
        if report.looks | self._looks != self._looks:
            return report
        if self.start.attempt and all_changes() in execution.looks.times:
            report.incomplete = _AGES
            return report
        if self.start.can_die and any(isinstance(step.operation, Lock) for step in execution.order.steps):
            report.incomplete = report.incomplete or _LOCKS
        nodes_die = self.start.node_kills + self.start.power_losses > 0
        if nodes_die and self.start.attempt < self._restarts and _uses_scratch(execution):
            report.incomplete = report.incomplete or _SCRATCH
        if execution.mismatch is not None:
            report.incomplete = report.incomplete or _DISAGREE
        lost = None
        if self._outages is not None:
            # First, since what is certain at a cut is carried over to where the next attempt starts.
            lost = self._outages.judge(execution)
            report.incomplete = report.incomplete or self._outages.reason
        report.finding = self._judge.judge(execution) or lost
        report.looks |= Looks(self._states.times)
        if all_changes() in self._states.times:
            report.incomplete = report.incomplete or _AGES
        if report.looks | self._looks != self._looks:
            # The times at a cut are those of one order of its steps, and the schedule that is told may be of another.
            report.finding = None
        report.states = self._states.take_new()
        report.starts, self._starts = self._starts, []
        return report

    def _reached(self, execution: Execution, instant: Instant, filesystem: Rewindable) -> None:
        """The attempt can end here: the next one starts on what is left.

        Where the power may fail later, more than the state tells two starts apart: what of it is on the disk, and what
        a later sync makes of that. Which steps were taken decides it, and what their class leaves open.
        """
        carried = instant.carried
        if self._outages is not None:
            history = hash((self.start.carried.history, self._judge.cuts.key_of(execution, instant.cut)))
            durable = self._outages.certain(execution, instant.cut)
            carried = msgspec.structs.replace(carried, durable=durable, history=history)
            instant = msgspec.structs.replace(instant, carried=carried)
        state = self._states.timed(filesystem, name_of_state(filesystem, self.start.attempt + 1))
        for start in self.start.after(execution, instant, self._injections.struck):
            self._starts.append((key_of(state, start), start))

    def _lost_power(
        self,
        execution: Execution,
        positions: Sequence[int],
        lost: tuple[Change, ...],
        carried: Carried,
        disk: PosixModel,
    ) -> None:
        """The power can fail here: the next attempt starts on the disk that is left."""
        start = self.start.after_power_loss(execution, positions, lost, carried, self._injections.struck)
        state = self._states.timed(disk, name_of_state(disk, start.attempt))
        self._starts.append((key_of(state, start), start))


def _uses_scratch(execution: Execution) -> bool:
    return any(path.startswith("/") for step in execution.order.steps for path in paths_of(step.operation))
