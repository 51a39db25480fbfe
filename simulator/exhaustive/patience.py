"""Whether a rank that polls in vain gives up by itself: found out by letting it look again and again, alone.

How long others take is not bounded, so the time-out of a polling loop may pass at any moment: a rank that gives up does
so wherever it can be made to wait. One that does not is taken to wait as long as it takes.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from simulator.engines.interface import Engine
from simulator.engines.watchdog import watchdog
from simulator.errors import CannotDo
from simulator.exhaustive.polling import Poll
from simulator.happens_before import HappensBefore
from simulator.operations import Access, Operation, Sleep
from simulator.scenario import Budgets

ROUNDS = 2000
"""Looks in vain after which a loop is taken to go on for ever."""

_FURTHER_ROUNDS = 100
"""The same for a loop of the same operations that has gone on for ever elsewhere."""


class InVain(msgspec.Struct, frozen=True):
    """What a rank does that polls while nothing changes: so many steps until it gives up, if it ``gives_up``.

    ``accesses`` are what it touches meanwhile, ``rest`` the operations of its last round, which it did not finish:
    those before leave the rank's descriptors as they were.
    """

    gives_up: bool
    steps: int = 0
    accesses: tuple[Access, ...] = ()
    rest: tuple[Operation, ...] = ()


class Patience:
    """Of all ranks in the runs from one start. ``waits``: one was found that does not give up.

    ``begin`` makes what a run needs; it is not to disturb the run that the search makes meanwhile.
    """

    def __init__(self, begin: Callable[[], tuple[Engine, Any]], budgets: Budgets) -> None:
        self._begin = begin
        self._budgets = budgets
        self._known: dict[int, InVain] = {}
        self._endless: set[tuple[int, tuple[Operation, ...]]] = set()
        self.waits = False

    def of(self, order: HappensBefore, poll: Poll, grants: Callable[[], Sequence[int]]) -> InVain:
        """What the task does from here on while nothing changes. ``grants`` lead to where it is about to sleep."""
        # What it does depends on what it knows and sees, and that on what happened before its latest step.
        identity = order.identity(poll.looks[-1][0])
        found = self._known.get(identity)
        if found is None:
            looks = tuple(order.steps[position].operation for position, _ in poll.looks)
            looks = tuple(operation for operation in looks if type(operation) is not Sleep)
            found = self._known[identity] = self._tried(poll.task, looks, grants())
        self.waits = self.waits or not found.gives_up
        return found

    def _tried(self, task: int, looks: tuple[Operation, ...], grants: Sequence[int]) -> InVain:
        enabled = gc.isenabled()
        gc.disable()
        engine, _ = self._begin()
        rounds = _FURTHER_ROUNDS if (task, looks) in self._endless else ROUNDS
        try:
            with watchdog(self._budgets.wall_seconds):
                engine.start()
                for granted in grants:
                    if granted not in engine.pending:
                        raise CannotDo(
                            "the code under test is not deterministic: after the same steps, rank "
                            f"{granted % engine.world_size} cannot go on now and could before"
                        )
                    engine.grant(granted)
                found = _alone(engine, task, looks, rounds)
        finally:
            engine.close()
            if enabled:
                gc.enable()
        if not found.gives_up:
            self._endless.add((task, looks))
        return found


def _alone(engine: Engine, task: int, looks: tuple[Operation, ...], rounds: int) -> InVain:
    """Let the task, which is about to sleep, go on alone for so many rounds."""
    engine.record_effects = True
    first = len(engine.steps)
    for number in range(rounds):
        for place, expected in enumerate((None, *looks)):
            pending = engine.pending.get(task)
            if not (type(pending) is Sleep if expected is None else pending == expected):
                steps = engine.steps[first:]
                accesses = (access for step in steps if step.effects is not None for access in step.effects.accesses)
                rest = looks[: place - 1] if place else ()
                return InVain(number > 0 or place > 0, number * (len(looks) + 1) + place, tuple(accesses), rest)
            engine.grant(task)
    return InVain(False)
