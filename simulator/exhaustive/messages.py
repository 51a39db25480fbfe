"""What the process that holds the tree and those that make the runs tell each other."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from simulator.exhaustive.attempts import Start
from simulator.exhaustive.brought import Brought, Taken
from simulator.exhaustive.errand import Errand, Journey
from simulator.exhaustive.injections import Plan
from simulator.exhaustive.recorded import Line, Recorded, lines_of
from simulator.exhaustive.report import Report
from simulator.exhaustive.tree import Continuation, Sleepers
from simulator.happens_before import Touched
from simulator.operations import Operation


class Request(msgspec.Struct, frozen=True):
    """A run to make: of which job, and the fields of its errand."""

    number: int
    start: Start
    plan: Plan
    tasks: list[int]
    operations: list[Operation | None]
    first: int
    sleepers: Sleepers
    siblings: Sequence[Sleepers]

    def errand(self) -> Errand:
        """The errand itself."""
        return Errand(self.tasks, self.operations, self.first, self.sleepers, self.siblings)


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """A reversal: see ``reversals.Reversal`` and ``tree.Continuation``."""

    number: int
    steps: int
    task: int
    operation: Operation
    what: Touched


class Reply(msgspec.Struct, frozen=True):
    """What a run brought. ``lines`` is the whole run, where there are reversals."""

    report: Report
    first: int
    taken: list[Taken]
    able: list[tuple[tuple[int, ...], bool]]
    earlier: list[tuple[int, list[int]]]
    lines: list[Line]
    sent: list[Sent]

    def brought(self) -> Brought:
        """That in the form in which a tree takes it in."""
        order = Recorded(self.lines)
        reversals = [
            (one.number, Continuation(order, one.steps, one.task, one.operation, one.what)) for one in self.sent
        ]
        return Brought(self.first, self.taken, reversals, self.able, self.earlier)


def reply_of(report: Report, journey: Journey, brought: Brought) -> Reply:
    """A run in the form in which it is sent."""
    sent = [Sent(number, one.steps, one.task, one.operation, one.what) for number, one in brought.reversals]
    lines = lines_of(journey.order) if sent else []
    return Reply(report, brought.first, brought.taken, brought.able, brought.earlier, lines, sent)
