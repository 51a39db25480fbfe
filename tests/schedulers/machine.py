"""An abstract machine to test schedulers on: each task is a list of operations, nothing ever waits."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.engines.interface import Step, default_task
from simulator.operations import Operation, Stat, Truncate
from simulator.run import Scheduler


class Machine:
    """Implements ``run.Frontier`` over fixed lists of operations."""

    def __init__(self, programs: Sequence[Sequence[Operation]]) -> None:
        self.programs = programs
        self.world_size = len(programs)
        self.done = [0] * len(programs)
        self.steps: list[Step] = []
        self.ready = [task for task, program in enumerate(programs) if program]
        self.pending = {task: programs[task][0] for task in self.ready}

    def position(self, task: int) -> int:
        return self.done[task]

    def default(self, last: int) -> int:
        return default_task(self.ready, last)

    def earliest(self) -> int:
        raise AssertionError("nothing here takes time")

    def run(self, scheduler: Scheduler) -> list[tuple[int, int]]:
        """The order of (task, n-th operation) that a scheduler makes."""
        scheduler.begin(0)
        order: list[tuple[int, int]] = []
        last = -1
        while self.ready:
            task = scheduler.choose(self, last)
            assert task in self.ready
            order.append((task, self.done[task]))
            self.done[task] += 1
            if self.done[task] == len(self.programs[task]):
                self.ready.remove(task)
                del self.pending[task]
            else:
                self.pending[task] = self.programs[task][self.done[task]]
            last = task
        return order


def write(path: str) -> Operation:
    """A register is a file whose size is its value; this sets it."""
    return Truncate(path, 1)


def read(path: str) -> Operation:
    """Reads a register."""
    return Stat(path)
