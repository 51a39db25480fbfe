"""A failing run once more, with what each of its steps touched, and beyond the failure to the end of the attempts.

What would have come after the failure belongs to its reasons: a rank that reads too early fails before the other one
writes. So nobody judges this run. It notes what the judgement that failed the first time looks at when it is made in
the same state, and by which paths each inode could be found.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from simulator.engines.conditions import Conditions
from simulator.engines.interface import Engine, Step
from simulator.experiment import ROOT, Experiment
from simulator.filesystems import Filesystem
from simulator.filesystems.posix.model import PosixModel
from simulator.happens_before import HappensBefore, Looks, times_in, times_of
from simulator.invariants import Violation
from simulator.invariants.judge import ask, name_of
from simulator.invariants.viewer import World
from simulator.operations import CHANGING, Access, Collective, Link, Open, Operation, Rename, Symlink, Thing, paths_of
from simulator.run import Run, execute
from simulator.schedulers.replay import TapeReplay

Key = tuple[type, tuple[str, ...], int]
"""What an operation is known by in another run.

Its kind, the paths that it names or that its descriptors stand for, and in how many collectives its task was before: a
loop that does the same for every step of training meets the other ranks in between.
"""

_OF_A_RESTART = frozenset({"complete", "content", "progress", "keep", "agree"})


_DESCRIPTORS = ("fd", "target", "at", "source_at", "target_at")
"""The fields of operations that may be a descriptor."""


class Recording(msgspec.Struct):
    """One attempt of a failing run. The first ``length`` of the steps in ``order`` were done when it failed.

    ``looked`` is what the failed judgement looked at: None means that it looked at the whole tree, and nothing that no
    judgement of the state failed. ``promises``: it counted which saves had returned. ``paths`` are those that led to an
    inode at some moment, by its number.
    """

    attempt: int
    order: HappensBefore
    keys: list[Key]
    length: int
    looked: frozenset[Thing] | None
    promises: bool
    paths: dict[int, set[str]]


class Keys:
    """Gives operations their keys; it has to be told of each step, to know what descriptors stand for."""

    def __init__(self) -> None:
        self._opened: dict[tuple[int, int], str] = {}
        self._met: dict[int, int] = {}

    def of(self, step: Step) -> Key:
        """The key of a step that was not told yet."""
        return type(step.operation), tuple(self._paths(step.rank, step.operation)), self._met.get(step.task, 0)

    def tell(self, step: Step) -> None:
        """The step was done."""
        if isinstance(step.operation, Collective):
            self._met[step.task] = self._met.get(step.task, 0) + 1
        elif isinstance(step.operation, Open) and isinstance(step.value, int):
            path, *above = self._paths(step.rank, step.operation)
            self._opened[step.rank, step.value] = "/".join([*above, path])

    def _paths(self, rank: int, operation: Operation) -> list[str]:
        paths = list(paths_of(operation))
        for field in _DESCRIPTORS:
            number = getattr(operation, field, None)
            if isinstance(number, int):
                paths.append(self._opened.get((rank, number), ""))
        return paths


def in_words(step: Step, key: Key) -> str:
    """An operation as its kind, its paths, and the line of its source where that is known."""
    paths = key[1]
    two = isinstance(step.operation, Rename | Link | Symlink)
    named = " → ".join(path or "." for path in paths) if two else "/".join(reversed(paths)) or "."
    place = f" ({step.site.rpartition('/')[2]})" if step.site else ""
    return f"{type(step.operation).__name__.lower()} {named}{place}"


def keys_of(steps: Iterable[Step]) -> list[Key]:
    """The keys of the steps of an attempt."""
    keys, found = Keys(), []
    for step in steps:
        found.append(keys.of(step))
        keys.tell(step)
    return found


def recordings_of(experiment: Experiment, failing: Run) -> list[Recording]:
    """Each attempt of a failing run; none where the model does not repeat what another file system did.

    The boundary must be installed.
    """
    filesystem = experiment.filesystem()
    if not hasattr(filesystem, "accesses"):
        filesystem = PosixModel()  # What operations touch does not depend on which strong file system it is.

    def engine_of(filesystem: Filesystem, conditions: Conditions) -> Engine:
        engine = experiment.engine(filesystem, conditions, detail=True)
        engine.record_effects = True
        return engine

    witness = _Witness(experiment, failing, filesystem)
    scenario = experiment.scenario
    whole = execute(
        filesystem,
        engine_of,
        TapeReplay(failing.tape),
        judge=witness,
        plan=failing.tape,
        faults=scenario.faults,
        ranks_per_node=scenario.cluster.ranks_per_node,
        restarts=len(failing.attempts) - 1,
        budgets=scenario.budgets,
    )
    for record, again in zip(failing.attempts, whole.attempts, strict=False):
        if _identities(record.steps) != _identities(again.steps[: len(record.steps)]):
            return []
    return [_recording(failing, whole, witness, attempt) for attempt in range(len(failing.attempts))]


def _recording(failing: Run, whole: Run, witness: _Witness, attempt: int) -> Recording:
    length, steps = len(failing.attempts[attempt].steps), whole.attempts[attempt].steps
    last = attempt == len(failing.attempts) - 1
    looked = witness.looked if last else frozenset()
    times = {thing for step in steps if step.effects is not None for thing in times_in(step.effects.accesses)}
    order = HappensBefore(steps, Looks(times_of([*times, *(looked or ())])))
    promises = last and failing.violation_name == "progress"
    return Recording(attempt, order, keys_of(steps), length, looked, promises, witness.paths)


def _identities(steps: Sequence[Step]) -> list[tuple[int, Key]]:
    return [(step.task, key) for step, key in zip(steps, keys_of(steps), strict=True)]


class _Witness:
    """Sits where a judge would, and judges nothing; implements ``run.Judge``."""

    def __init__(self, experiment: Experiment, failing: Run, filesystem: Any) -> None:
        assert failing.violation is not None
        self._experiment = experiment
        self._violation: Violation = failing.violation
        self._filesystem = filesystem
        self._instant = (len(failing.attempts) - 1, len(failing.attempts[-1].steps))
        self._asked = False
        self.excused = False
        self.looked: frozenset[Thing] | None = frozenset()
        self.paths: dict[int, set[str]] = {1: {""}}

    def begin(self) -> None:
        """Every attempt is witnessed alike."""

    def observe(self, engine: Engine) -> None:
        """Note where inodes are, and look as the failed judgement did when it is the instant for it."""
        last = engine.steps[-1] if engine.steps else None
        if last is not None and last.error is None and _names_something(last):
            for path, inode in self._filesystem.walk_files():
                self.paths.setdefault(inode.number, set()).add(path)
        self._look(engine)

    def finish(self, engine: Engine, *, died: bool) -> None:
        """Look at the end of the attempt, if that is when it failed."""
        self._look(engine)

    def _look(self, engine: Engine) -> None:
        if self._asked or (engine.attempt, len(engine.steps)) != self._instant:
            return
        self._asked = True
        name = self._violation.invariant
        if name == "no-leak":
            self.looked = None
            return
        watched: Any = _Watched(self._filesystem)
        for check in self._experiment.checks:
            if name_of(check) == name:
                cluster = self._experiment.scenario.cluster
                returned = {r: e.value for r, e in engine.endings.items() if e.error is None and not e.killed}
                _, times = ask(check, World(Path(ROOT), cluster.world_size, engine.attempt, returned), watched)
                self.looked = watched.things | times
                return
        if name in _OF_A_RESTART and self._experiment.probe is not None:
            seen = self._experiment.probe.look(watched, engine.attempt)
            self.looked = watched.things | seen.looked


class _Watched:
    """A file system of which it is noted what the operations of a judgement touch."""

    def __init__(self, filesystem: Any) -> None:
        self._filesystem = filesystem
        self._accesses: list[Access] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._filesystem, name)

    @property
    def things(self) -> frozenset[Thing]:
        """What was touched of the files; not the descriptors of the judgement."""
        return frozenset(thing for thing, _ in self._accesses if thing[0] >= 0)

    def perform(self, rank: int, operation: Any, now: int = 0) -> Any:
        self._filesystem.accesses = self._accesses
        try:
            return self._filesystem.perform(rank, operation, now)
        finally:
            self._filesystem.accesses = None


def _names_something(step: Step) -> bool:
    operation = step.operation
    return type(operation) in CHANGING and not (isinstance(operation, Open) and not operation.flags & os.O_CREAT)
