"""SURW: selectively uniform random walk (Zhao, Wolff, Mathur, Roychoudhury, ASPLOS 2025).

A subset of the operations is interesting: here, those about one path that several ranks touched in an undisturbed run,
chosen anew for each attempt. The walk is uniform over the interleavings of the interesting operations: the task that
shall do the next one is drawn with a weight of how many it still has, and no other task does one before. All the rest
is scheduled at random between.

Deviations: the counts are those of an undisturbed run of the same scenario; a task that turns out to have more keeps
the weight 1. When only tasks with uninvited interesting operations are left, or besides them only sleepers, one of
them is invited: what a sleeper polls for may be theirs to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from simulator.engines.interface import Step
from simulator.operations import Sleep
from simulator.run import Frontier
from simulator.schedulers.races import Targets

Profile = Mapping[str, Mapping[int, int]]
"""For each path that several tasks touch: how many operations about it each task does."""


def profile_of(steps: Sequence[Step]) -> dict[str, dict[int, int]]:
    """The profile of a run's steps."""
    counts: dict[str, dict[int, int]] = {}
    targets = Targets()
    for step in steps:
        for path in targets.of(step.task, step.operation):
            tasks = counts.setdefault(path, {})
            tasks[step.task] = tasks.get(step.task, 0) + 1
        targets.done(step.task, step.operation)
    return {path: tasks for path, tasks in counts.items() if len(tasks) > 1}


class SelectivelyUniformWalk:
    """One instance a campaign; the interesting path is drawn for each attempt."""

    def __init__(self, random: Random, profile: Profile) -> None:
        self._random = random
        self._profile = profile
        self._paths = sorted(profile)
        self._path = ""
        self._left: dict[int, int] = {}
        self._intended = -1
        self._targets = Targets()

    def begin(self, attempt: int) -> None:
        """Draw the interesting path and the first task to touch it."""
        self._targets = Targets()
        self._path = self._random.choice(self._paths) if self._paths else ""
        self._left = dict(self._profile.get(self._path, {}))
        self._intended = self._draw()

    def choose(self, frontier: Frontier, last: int) -> int:
        """A ready task, none with an interesting operation but the intended one."""
        pending, ready = frontier.pending, frontier.ready
        interesting = {task for task in ready if self._path in self._targets.of(task, pending[task])}
        if interesting and self._intended not in interesting and self._holds_up(frontier, interesting):
            weights = [max(1, self._left.get(task, 1)) for task in sorted(interesting)]
            self._intended = self._random.choices(sorted(interesting), weights)[0]
        allowed = [task for task in ready if task not in interesting or task == self._intended]
        task = self._random.choice(allowed or list(ready))
        if task in interesting:
            self._left[task] = max(0, self._left.get(task, 1) - 1)
            self._intended = self._draw()
        self._targets.done(task, pending[task])
        return task

    def _holds_up(self, frontier: Frontier, interesting: set[int]) -> bool:
        """Whether the intended task has ended or waits, or nobody but sleepers could go before it."""
        if self._intended not in frontier.pending:
            return True
        return all(task in interesting or type(frontier.pending[task]) is Sleep for task in frontier.ready)

    def _draw(self) -> int:
        tasks = [task for task, left in sorted(self._left.items()) if left]
        if not tasks:
            return -1
        return self._random.choices(tasks, [self._left[task] for task in tasks])[0]
