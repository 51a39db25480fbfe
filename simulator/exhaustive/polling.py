"""Polling loops: ``while not exists(marker): sleep(1)`` would make infinitely many classes of interleavings.

A rank *polls* when it is about to sleep, and what it did since its last sleep is what it did before that one: the
same operations with the same results, none of which changed anything. Such a sleep waits until something that was read
since is changed by another task (as in Jonsson, Lang, Sagonas: Awaiting for Godot, FMCAD 2022), or goes on *in vain*:
if the loop has a time-out, which may pass before the others go on, the rank looks again and again until it gives up
(see ``patience``). How often it has looked in vain before something changed is taken to make no difference.
Where a rank has several tasks, each step of one changes their memory, and the others may look at that at any time.

A rank that looks without sleeping is not recognised: the budget of operations ends it.

How long others take is not bounded, so the time-out of a polling loop may pass at any moment: a rank that gives up does
so wherever it can be made to wait. One that does not is taken to wait as long as it takes.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from simulator.engines.interface import Engine, Step
from simulator.engines.watchdog import watchdog
from simulator.errors import CannotDo
from simulator.filesystems.views.layers import ANSWERED, is_of_client
from simulator.happens_before import HappensBefore, Touched
from simulator.operations import Access, Mode, Operation, Sleep, memory
from simulator.operations.footprint import all_changes
from simulator.scenario import Budgets

_ALL_CHANGES = all_changes()


class Poll(msgspec.Struct, frozen=True):
    """What a polling task has looked at since its last sleep: positions in the order, and what was read there.

    The last of them is the task's latest step.
    """

    task: int
    looks: tuple[tuple[int, Touched], ...]

    @property
    def reads(self) -> Touched:
        """All that the sleep waits for a change of: it cannot be exchanged with such a change."""
        return Touched({thing: Mode.READ for _, what in self.looks for thing in what.things})

    def sees_change(self, order: HappensBefore, among: int = -1) -> bool:
        """Whether one of the steps in the set ``among`` changed what was looked at, after it was looked at."""
        others = among & ~order.of_task(self.task)
        return any((order.conflicts_of(what) & others) >> position for position, what in self.looks)


def poll_of(order: HappensBefore, task: int, after: int | None = None) -> Poll | None:
    """What the task polls, if it does so and is about to sleep: after that many steps of it, or after all so far."""
    positions, steps = order.positions.get(task, [])[:after], order.steps
    place = len(positions) - 1
    while place >= 0 and type(steps[positions[place]].operation) is not Sleep:
        place -= 1
    length = len(positions) - 1 - place
    if place < length:
        return None
    slept = positions[place]
    shared = memory(steps[slept].rank)
    looks = []
    effects = steps[slept].effects
    if effects is not None and any(thing == shared for thing, _ in effects.accesses):
        looks.append((slept, Touched({shared: Mode.READ})))
    for offset in range(1, length + 1):
        position, earlier = positions[place + offset], positions[place - length - 1 + offset]
        # That all operations are in one order, where ages of files are looked at, is nothing that a poll waits for.
        what = {thing: mode for thing, mode in order.touched[position].things.items() if thing != _ALL_CHANGES}
        if not _same(steps[position], steps[earlier]) or was_answered(steps[position]):
            return None
        if any(mode is not Mode.READ and thing != shared and not is_of_client(thing) for thing, mode in what.items()):
            return None
        looks.append((position, Touched(dict.fromkeys(what, Mode.READ))))
    return Poll(task, tuple(looks)) if looks else None


def was_answered(step: Step) -> bool:
    """Whether the file system answered otherwise than undisturbed: nobody knows how long it would do so."""
    return step.effects is not None and ANSWERED in step.effects.accesses


def _same(step: Step, earlier: Step) -> bool:
    if step.operation != earlier.operation or step.value != earlier.value:
        return False
    if step.error is None or earlier.error is None:
        return step.error is earlier.error
    return step.error.errno == earlier.error.errno


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
