"""A run as another process needs it: enough of its order to insert what its races lead to."""

from __future__ import annotations

import msgspec

from simulator.engines.interface import Step
from simulator.happens_before import HappensBefore, Touched, Uses
from simulator.operations import Operation


class Line(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One step: who did what, what it touched, and the steps before it as bits of an integer."""

    task: int
    rank: int
    n: int
    operation: Operation
    touched: Touched
    before: int


def lines_of(order: HappensBefore) -> list[Line]:
    """A run in the form in which it is sent."""
    return [
        Line(step.task, step.rank, step.n, step.operation, what, before)
        for step, what, before in zip(order.steps, order.touched, order.before, strict=True)
    ]


class Recorded:
    """Implements ``tree.Order`` for a run that another process has made."""

    def __init__(self, lines: list[Line]) -> None:
        self.steps = [Step(line.task, line.rank, line.n, line.operation) for line in lines]
        self.touched = [line.touched for line in lines]
        self.before = [line.before for line in lines]
        self._of_task: dict[int, int] = {}
        self._uses: Uses | None = None
        for position, line in enumerate(lines):
            self._of_task[line.task] = self._of_task.get(line.task, 0) | 1 << position

    def of_task(self, task: int) -> int:
        """The steps of a task."""
        return self._of_task.get(task, 0)

    def conflicts_of(self, what: Touched) -> int:
        """The steps whose order with one that touches ``what`` matters."""
        if self._uses is None:
            self._uses = Uses()
            for position, touched in enumerate(self.touched):
                self._uses.add(1 << position, touched)
        return self._uses.conflicts_of(what)
