"""What a power loss could leave of a class of interleavings, at each of its consistent cuts.

The log of a cut is one case of many: steps of the class that nothing puts in order could have come the other way round,
and with them what is durable before what. So the order among micro-operations is that of the class, not of the log
(see ``durability.Ordering``), which allows all that some case allows. What is found must be true of a case: the steps
are put into an order in which it is, and the disk is made again by the order of that one log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from simulator.exhaustive.bits import positions_in, set_of
from simulator.exhaustive.cuts import Cuts, telling_steps
from simulator.exhaustive.errand import Journey
from simulator.exhaustive.judging import Finding
from simulator.exhaustive.milestones import Milestones
from simulator.exhaustive.replayer import Replayer, Rewindable, step_of
from simulator.experiment import ROOT, Experiment
from simulator.filesystems.durability import Affected, DurableModel, Ordering, durable_of
from simulator.filesystems.durability.history import members
from simulator.filesystems.durability.micro_operations import Record
from simulator.invariants.judge import wrong_with
from simulator.invariants.outages import Verdict
from simulator.invariants.viewer import World
from simulator.operations import Close, Fsync

DISKS_OF_A_CUT = 4096
"""So many of the disks that a power loss could leave at a cut are judged at most; if there are more, the search is not
complete."""


class _Violated(Exception):
    """By a disk that a power loss leaves after these steps, in this order."""

    def __init__(self, invariant: str, positions: list[int]) -> None:
        self.invariant = invariant
        self.positions = positions


class _Unclear(Exception):
    """Not all that a power loss could leave can be judged. The text says why."""


class OutageClasses:
    """Judges the classes of the first attempt. ``reason`` says why not all could be judged, if that is so."""

    def __init__(self, experiment: Experiment, replayer: Replayer, look_up: Callable[[], None]) -> None:
        self._experiment = experiment
        self._replayer = replayer
        self._look_up = look_up
        self._outlook = experiment.outlook(DISKS_OF_A_CUT)
        self._best = experiment.bound.best if experiment.bound is not None else None
        self._cuts = Cuts(replayer, telling_or_syncing)
        self.reason: str | None = None

    def judge(self, journey: Journey) -> Finding | None:
        """Judge the class that a run stands for; not once there is a ``reason``."""
        if self.reason is not None:
            return None
        milestones = Milestones(journey, self._experiment.scenario.cluster.world_size, 0)

        def visit(cut: int, filesystem: Rewindable) -> int:
            self._look_up()
            return self._judge_cut(journey, milestones, cut, filesystem, before=0)

        try:
            for cut, by, _, before in self._cuts.visit(journey, visit):
                filesystem = self._replayer.go_to(journey.order, list(positions_in(cut)))
                self._judge_cut(journey, milestones, cut, filesystem, before=before, by=by)
        except _Violated as found:
            return Finding(found.invariant, journey.grants(found.positions))
        except _Unclear as unclear:
            self.reason = str(unclear)
        return None

    def _judge_cut(
        self, journey: Journey, milestones: Milestones, cut: int, filesystem: Rewindable, *, before: int, by: int = 0
    ) -> int:
        """The oldest step that a power loss could make a restart resume from; 0 for none.

        ``before`` is what no power loss could take at the cut ``by``.
        """
        durable = durable_of(filesystem)
        assert durable is not None
        ordering = durable.ordering(_order_of(journey))
        world = World(Path(ROOT), self._experiment.scenario.cluster.world_size, 0, milestones.returned(cut))
        disks = self._outlook.of(durable, ordering, Affected(ordering), world)
        promised = milestones.promised(cut)
        least: int | None = None
        for lost, found in disks:
            invariant = self._wrong(found, promised, before)
            if invariant is not None:
                raise _Violated(invariant, self._case(journey, cut, by, durable, ordering, lost))
            step = found.seen.step or 0
            least = step if least is None else min(least, step)
        if not disks.are_all:
            raise _Unclear(f"a power loss could leave more than {DISKS_OF_A_CUT:,} disks at one instant")
        return least or 0

    def _wrong(self, found: Verdict, promised: int, before: int) -> str | None:
        violation = found.said or wrong_with(found.seen, promised, before, self._best)
        judged = self._experiment.scenario.invariants
        if violation is None or (judged is not None and violation.invariant not in judged):
            return None
        return violation.invariant

    def _case(
        self, journey: Journey, cut: int, by: int, durable: DurableModel, ordering: Ordering, lost: int
    ) -> list[int]:
        """An order of the steps of a cut, those of the cut ``by`` first, in which this can be lost.

        What is lost comes as late as it can, so that no sync comes after it that need not. Raises _Unclear if the disk
        is none of this order's.
        """
        gone = {_position(journey, durable.records[index]) for index in members(lost)}
        digest = durable.state(ordering.all & ~lost, ordering).digest()
        positions = [*_late(journey, by, 0, gone), *_late(journey, cut, by, gone)]
        keys = {_key(durable.records, index) for index in members(lost)}
        self._replayer.go_to(journey.order, positions)
        case = durable.ordering()
        found = set_of(index for index in members(case.all) if _key(durable.records, index) in keys)
        possible = not found & case.certain and case.dependent(found) == found
        if not possible or durable.state(case.all & ~found).digest() != digest:
            raise _Unclear("a disk that a power loss could leave was not found again in an order of the steps")
        return positions


def telling_or_syncing(journey: Journey) -> int:
    """The steps after which a power loss may leave something else than before."""
    found = telling_steps(journey)
    for position in journey.scheduled:
        if isinstance(journey.order.steps[position].operation, Fsync | Close):
            found |= 1 << position
    return found


def _order_of(journey: Journey) -> Callable[[Record, Record], bool]:
    before = journey.order.before

    def precedes(first: Record, second: Record) -> bool:
        return first.step == second.step or bool(before[_position(journey, second)] >> _position(journey, first) & 1)

    return precedes


def _position(journey: Journey, record: Record) -> int:
    """The position of the step that a micro-operation is part of."""
    task, n = step_of(record.step)
    return journey.order.positions[task][n]


def _late(journey: Journey, cut: int, done: int, gone: set[int]) -> list[int]:
    """The steps of a cut that are not done, in an order of the class; those that are ``gone`` as late as can be."""
    before, scheduled = journey.order.before, set_of(journey.scheduled)
    rest = list(positions_in(cut & ~done))
    found: list[int] = []
    while rest:
        able = [position for position in rest if not before[position] & scheduled & ~done]
        position = min(able, key=lambda position: (position in gone, position))
        rest.remove(position)
        found.append(position)
        done |= 1 << position
    return found


def _key(records: Sequence[Record], index: int) -> tuple[int, Any]:
    """A micro-operation by its step, and by which of the step's it is."""
    step, first = records[index].step, index
    while first and records[first - 1].step == step:
        first -= 1
    return step, index - first
