"""A rank that dies, or all ranks of a node: at which of its operations it can."""

from __future__ import annotations

import msgspec

from simulator.exhaustive.bits import set_of
from simulator.exhaustive.errand import Journey
from simulator.tape import Address


class Death(msgspec.Struct, frozen=True):
    """A rank dies instead of doing its n-th operation in ``task``; with ``node``, all ranks of its node."""

    task: int
    n: int
    node: bool

    def choice(self, attempt: int) -> tuple[Address, int]:
        """What stands for it on a tape."""
        return (attempt, "kill", self.task, self.n), 2 if self.node else 1


def death_at(journey: Journey, cut: int, *, node: bool) -> Death | None:
    """A death at a consistent cut of a run, None where every task has ended or waits.

    Which rank it is makes no difference: a dead rank is to the others as one that does not go on, and the launcher
    ends all of them at any later point.
    """
    order = journey.order
    scheduled = set_of(journey.scheduled)
    tasks = sorted({order.steps[position].task for position in journey.scheduled})
    for task in tasks:
        rest = order.of_task(task) & scheduled & ~cut
        if rest:
            position = (rest & -rest).bit_length() - 1
            if not order.given[position] & scheduled & ~cut:
                return Death(task, order.steps[position].n, node)
    return None
