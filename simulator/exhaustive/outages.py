"""What a power loss could leave of a class of interleavings, at each of its consistent cuts, in every attempt.

The log of a cut is one case of many: steps of the class that nothing puts in order could have come the other way round,
and with them what is durable before what. So the order among micro-operations is that of the class, not of the log
(see ``durability.Ordering``), which allows all that some case allows. What is found must be true of a case: the steps
are put into an order in which it is, and the disk is made again by the order of that one log. The same is done for
each disk on which the job goes on after a power loss: one for each difference that a restart's look makes. The attempt
on it is explored as any other; what it does may depend on more than a restart looks at, and of disks that differ in
that, one stands for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from simulator.exhaustive.cuts import Cuts, Milestones, telling_steps
from simulator.exhaustive.execution import Execution, positions_in, set_of
from simulator.exhaustive.judging import Carried, Finding
from simulator.exhaustive.replayer import Replayer, Rewindable, step_of
from simulator.experiment import ROOT, Experiment
from simulator.filesystems import PosixModel
from simulator.filesystems.durability import Affected, Change, DurableModel, Ordering, durable_of, generators
from simulator.filesystems.durability.history import members
from simulator.filesystems.durability.micro_operations import Record
from simulator.invariants.judge import wrong_with
from simulator.invariants.outages import Verdict
from simulator.invariants.viewer import World
from simulator.operations import Close, Fsync

DISKS_OF_A_CUT = 4096
"""So many of the disks that a power loss could leave at a cut are judged at most; if there are more, the search is not
complete."""

Reached = Callable[[Execution, Sequence[int], tuple[Change, ...], Carried, PosixModel], None]
"""Called with each disk that a power loss leaves and on which the job may go on: after which steps of the run, in which
order, what is lost, what is carried over."""


class _Violated(Exception):
    """By a disk that a power loss leaves after these steps, in this order."""

    def __init__(self, invariant: str, positions: list[int]) -> None:
        self.invariant = invariant
        self.positions = positions


class _Unclear(Exception):
    """Not all that a power loss could leave can be judged. The text says why."""


class _Left:
    """A disk that a power loss leaves at a cut in some order of its steps, which is to be found."""

    def __init__(
        self, cut: int, gone: set[int], keys: set[tuple[int, Any]], digest: int, carried: Carried, disk: PosixModel
    ) -> None:
        self.cut = cut
        self.gone = gone
        self.keys = keys
        self.digest = digest
        self.carried = carried
        self.disk = disk


class OutageClasses:
    """Judges the classes of one attempt. ``reason`` says why not all could be judged, if that is so.

    ``carried`` is what the attempt starts with; ``reached`` is told each disk on which the job may go on.
    """

    def __init__(
        self,
        experiment: Experiment,
        replayer: Replayer,
        look_up: Callable[[], None],
        attempt: int = 0,
        carried: Carried | None = None,
        reached: Reached | None = None,
    ) -> None:
        self._experiment = experiment
        self._replayer = replayer
        self._look_up = look_up
        self._attempt = attempt
        self._carried = carried or Carried()
        self._reached = reached
        self._outlook = experiment.outlook(DISKS_OF_A_CUT)
        self._best = experiment.bound.best if experiment.bound is not None else None
        self._cuts = Cuts(replayer, telling_or_syncing)
        self._left: list[_Left] = []
        self._known: set[tuple[int, Carried]] = set()
        self.reason: str | None = None

    def certain(self, execution: Execution, cut: int) -> int:
        """The step that a restart would at least resume from if the power failed at a cut that was judged."""
        return self._cuts.known.get(self._cuts.key_of(execution, cut), 0)

    def judge(self, execution: Execution) -> Finding | None:
        """Judge the class that a run stands for; not once there is a ``reason``."""
        if self.reason is not None:
            return None
        milestones = Milestones(execution, self._experiment.scenario.cluster.world_size, self._carried.promised)
        self._left.clear()

        def visit(cut: int, filesystem: Rewindable) -> int:
            self._look_up()
            return self._judge_cut(execution, milestones, cut, filesystem, before=self._carried.durable)

        try:
            for cut, by, _, before in self._cuts.visit(execution, visit):
                filesystem = self._replayer.go_to(execution.order, list(positions_in(cut)))
                self._judge_cut(execution, milestones, cut, filesystem, before=before, by=by)
            for left in self._left:
                positions, lost = self._found_again(execution, left, 0)
                self._tell(execution, positions, lost, left)
        except _Violated as found:
            return Finding(found.invariant, execution.grants(found.positions))
        except _Unclear as unclear:
            self.reason = str(unclear)
        return None

    def _judge_cut(
        self,
        execution: Execution,
        milestones: Milestones,
        cut: int,
        filesystem: Rewindable,
        *,
        before: int,
        by: int = 0,
    ) -> int:
        """The oldest step that a power loss could make a restart resume from; 0 for none.

        ``before`` is what no power loss could take at the cut ``by``.
        """
        durable = durable_of(filesystem)
        assert durable is not None
        ordering = durable.ordering(self._order_of(execution))
        world_size = self._experiment.scenario.cluster.world_size
        world = World(Path(ROOT), world_size, self._attempt, milestones.returned(cut))
        disks = self._outlook.of(durable, ordering, Affected(ordering), world)
        promised = milestones.promised(cut)
        least: int | None = None
        losses: list[int] = []
        for lost, found in disks:
            invariant = self._wrong(found, promised, before)
            if invariant is not None:
                left = _left(execution, cut, durable, ordering, lost, Carried())
                raise _Violated(invariant, self._found_again(execution, left, by)[0])
            losses.append(lost)
            step = found.seen.step or 0
            least = step if least is None else min(least, step)
        if not disks.are_all:
            raise _Unclear(f"a power loss could leave more than {DISKS_OF_A_CUT:,} disks at one instant")
        if self._reached is not None and not by:
            carried = Carried(promised, least or 0, least or 0)
            self._go_on(execution, cut, durable, ordering, losses, carried)
        return least or 0

    def _go_on(
        self,
        execution: Execution,
        cut: int,
        durable: DurableModel,
        ordering: Ordering,
        losses: list[int],
        carried: Carried,
    ) -> None:
        """Tell of the disks on which the job may go on; those that are of another order of the steps are noted."""
        run: Ordering | None = None
        for lost in losses:
            left = _left(execution, cut, durable, ordering, lost, carried)
            if (left.digest, carried) in self._known:
                continue
            self._known.add((left.digest, carried))
            run = run or durable.ordering()
            if lost & run.certain or run.dependent(lost) != lost:
                self._left.append(left)
                continue
            changes = tuple(durable.changes(generators(run, lost)))
            self._tell(execution, list(self._replayer.positions), changes, left)

    def _tell(self, execution: Execution, positions: Sequence[int], lost: tuple[Change, ...], left: _Left) -> None:
        assert self._reached is not None
        self._reached(execution, positions, lost, left.carried, left.disk)

    def _wrong(self, found: Verdict, promised: int, before: int) -> str | None:
        violation = found.said or wrong_with(found.seen, promised, before, self._best)
        judged = self._experiment.scenario.invariants
        if violation is None or (judged is not None and violation.invariant not in judged):
            return None
        return violation.invariant

    def _found_again(self, execution: Execution, left: _Left, by: int) -> tuple[list[int], tuple[Change, ...]]:
        """An order of the steps of a cut, those of the cut ``by`` first, in which this can be lost; and what is lost.

        What is lost comes as late as it can, so that no sync comes after it that need not; the order of attempts that
        are over stays as it was. Raises _Unclear if the disk is none of this order's.
        """
        positions = [*_late(execution, by, 0, left.gone), *_late(execution, left.cut, by, left.gone)]
        durable = durable_of(self._replayer.go_to(execution.order, positions))
        assert durable is not None
        case = durable.ordering()
        found = set_of(index for index in members(case.all) if _key(durable.records, index) in left.keys)
        possible = not found & case.certain and case.dependent(found) == found
        if not possible or durable.state(case.all & ~found).digest() != left.digest:
            raise _Unclear("a disk that a power loss could leave was not found again in an order of the steps")
        return positions, tuple(durable.changes(generators(case, found)))

    def _order_of(self, execution: Execution) -> Callable[[Record, Record], bool]:
        """Which of two records comes first in all logs of the class; those of earlier attempts before those of this."""
        before, past = execution.order.before, self._replayer.past

        def precedes(first: Record, second: Record) -> bool:
            if first.step == second.step:
                return True
            if first.step < 0 or second.step < 0:
                both = first.step < 0 and second.step < 0
                return bool(past[-1 - second.step] >> (-1 - first.step) & 1) if both else first.step < 0
            return bool(before[_position(execution, second)] >> _position(execution, first) & 1)

        return precedes


def telling_or_syncing(execution: Execution) -> int:
    """The steps after which a power loss may leave something else than before."""
    found = telling_steps(execution)
    for position in execution.scheduled:
        if isinstance(execution.order.steps[position].operation, Fsync | Close):
            found |= 1 << position
    return found


def _left(
    execution: Execution, cut: int, durable: DurableModel, ordering: Ordering, lost: int, carried: Carried
) -> _Left:
    records = durable.records
    gone = {_position(execution, records[index]) for index in members(lost) if records[index].step >= 0}
    keys = {_key(records, index) for index in members(lost)}
    disk = durable.state(ordering.all & ~lost, ordering)
    return _Left(cut, gone, keys, disk.digest(), carried, disk)


def _position(execution: Execution, record: Record) -> int:
    """The position of the step that a micro-operation is part of."""
    task, n = step_of(record.step)
    return execution.order.positions[task][n]


def _late(execution: Execution, cut: int, done: int, gone: set[int]) -> list[int]:
    """The steps of a cut that are not done, in an order of the class; those that are ``gone`` as late as can be."""
    before, scheduled = execution.order.before, set_of(execution.scheduled)
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
