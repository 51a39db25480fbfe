"""What ranks have noted and returned at a consistent cut: which save is promised, whose program has ended."""

from __future__ import annotations

from typing import Any

from simulator.engines.interface import Effects
from simulator.exhaustive.bits import set_of
from simulator.exhaustive.errand import Journey


class Milestones:
    """Those of one run. ``promised`` is what was promised before the attempt began.

    A milestone belongs to a step and is reached when the step is in the cut; that of a step which ends by itself (a
    collective) when all that it waits for is.
    """

    def __init__(self, journey: Journey, world_size: int, promised: int) -> None:
        order = journey.order
        scheduled = set_of(journey.scheduled)
        saves: list[list[tuple[int, int]]] = [[] for _ in range(world_size)]
        self._base = promised
        self._ended: list[tuple[int, int, Any]] = []

        def note(needed: int, effects: Effects) -> None:
            for rank, step in effects.saved:
                saves[rank].append((step, needed))
            for rank in effects.finished:
                ending = journey.endings[rank]
                self._ended.append((needed, rank, None if ending.error is not None else (ending.value,)))

        note(0, journey.initial)
        for position, step in enumerate(order.steps):
            effects = step.effects
            if effects is not None and (effects.saved or effects.finished):
                note((order.before[position] | 1 << position) & scheduled, effects)
        self._promises = _promises(saves)

    def promised(self, cut: int) -> int:
        """The newest step whose save has returned on every rank at a cut."""
        for step, needed in self._promises:
            if not needed & ~cut:
                return max(step, self._base)
        return self._base

    def saved_everywhere(self, cut: int) -> bool:
        """Whether a save of this attempt has returned on every rank at a cut."""
        return any(not needed & ~cut for _, needed in self._promises)

    def returned(self, cut: int) -> dict[int, Any]:
        """What the ranks have returned whose programs have ended at a cut without an error."""
        return {rank: value[0] for needed, rank, value in self._ended if not needed & ~cut and value is not None}

    def all_ended(self, cut: int, world_size: int) -> bool:
        """Whether every rank's program has ended at a cut."""
        return sum(1 for needed, _, _ in self._ended if not needed & ~cut) == world_size


def _promises(saves: list[list[tuple[int, int]]]) -> list[tuple[int, int]]:
    """(step, what must be in a cut) for each step that every rank has saved, or a newer one; the newest first."""
    found = []
    for wanted in sorted({step for each in saves for step, _ in each}, reverse=True):
        needed = 0
        for each in saves:
            first = next((need for step, need in each if step >= wanted), None)
            if first is None:
                break
            needed |= first
        else:
            found.append((wanted, needed))
    return found
