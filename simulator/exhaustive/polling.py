"""Polling loops: ``while not exists(marker): sleep(1)`` would make infinitely many classes of interleavings.

A rank *polls* when it is about to sleep, and what it did since its last sleep is what it did before that one: the
same operations with the same results, none of which changed anything. Such a sleep waits until something that was read
since is changed by another task (as in Jonsson, Lang, Sagonas: Awaiting for Godot, FMCAD 2022), or goes on *in vain*:
if the loop has a time-out, which may pass before the others go on, the rank looks again and again until it gives up
(see ``patience``). How often it has looked in vain before something changed is taken to make no difference.
Where a rank has several tasks, each step of one changes their memory, and the others may look at that at any time.

A rank that looks without sleeping is not recognised: the budget of operations ends it.
"""

from __future__ import annotations

import msgspec

from simulator.engines.interface import Step
from simulator.filesystems.views.layers import ANSWERED, is_of_client
from simulator.happens_before import HappensBefore, Touched
from simulator.operations import Mode, Sleep, memory
from simulator.operations.footprint import all_changes

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
