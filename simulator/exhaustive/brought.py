"""What a run of the search brings to its tree of schedules."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from simulator.exhaustive.bits import positions_in
from simulator.exhaustive.errand import Journey
from simulator.exhaustive.patience import Patience
from simulator.exhaustive.replayer import Replayer
from simulator.exhaustive.reversals import Reversal, Reversals
from simulator.exhaustive.tree import Sleepers
from simulator.happens_before import Touched
from simulator.operations import Operation


class Taken(msgspec.Struct, frozen=True, gc=False):
    """A scheduled step that was taken: by which task, doing what, touching what; and who sleeps after it."""

    task: int
    operation: Operation | None
    what: Touched
    sleepers: Sleepers


class Brought(msgspec.Struct):
    """``taken`` are the steps of the schedule from the ``first``-th on.

    ``reversals`` are what races lead to, for a search without a bound. For one with a bound, ``able`` are the tasks
    that could go on before each of the steps taken, and whether that of the step before gave way, or met others; and
    ``earlier`` are (task, numbers): the task is to go before each of these steps of the schedule.
    """

    first: int
    taken: list[Taken]
    reversals: Iterable[Reversal] = ()
    able: list[tuple[tuple[int, ...], bool]] = []
    earlier: list[tuple[int, list[int]]] = []


def brought_of(journey: Journey, replayer: Replayer, patience: Patience, *, bounded: bool) -> Brought:
    """What a run brings. The reversals are looked for as they are asked for, while the run is the latest."""
    first = len(journey.scheduled) - len(journey.sleepers)
    taken = _taken(journey, first)
    if bounded:
        return Brought(first, taken, able=journey.able, earlier=_earlier(journey, first))
    return Brought(first, taken, Reversals(journey, replayer, patience))


def _taken(journey: Journey, first: int) -> list[Taken]:
    order = journey.order
    return [
        Taken(order.steps[position].task, order.steps[position].operation, order.touched[position], sleepers)
        for position, sleepers in zip(journey.scheduled[first:], journey.sleepers, strict=True)
    ]


def _earlier(journey: Journey, first: int) -> list[tuple[int, list[int]]]:
    order = journey.order
    numbers = {position: number for number, position in enumerate(journey.scheduled)}
    found = []
    for position in journey.scheduled[first:]:
        found.append((order.steps[position].task, order.conflicts[position] & ~order.given[position]))
    for held in journey.held:
        positions = order.positions.get(held.task, [])
        past = order.before[positions[-1]] | 1 << positions[-1] if positions else 0
        found.append((held.task, order.conflicts_of(held.what) & ~past))
    return [(task, [numbers[position] for position in positions_in(steps)]) for task, steps in found if steps]
