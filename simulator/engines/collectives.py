"""Collectives: who waits for whom, and the two ways in which ranks can disagree about them."""

from __future__ import annotations

import copy
from typing import Any, TypeAlias

import msgspec

from simulator.operations import Collective

Communicator: TypeAlias = tuple[tuple[int, ...], int]


class Mismatch(msgspec.Struct, frozen=True):
    """Two ranks issued different collectives at the same position of one communicator: a real job hangs here."""

    rank: int
    issued: str
    other: int
    expected: str
    position: int


class _Meeting:
    """One collective of one communicator: who has come, with what."""

    __slots__ = ("arrived", "first", "name", "source")

    def __init__(self, rank: int, operation: Collective) -> None:
        self.name = operation.name
        self.source = operation.source
        self.first = rank
        self.arrived: dict[int, Any] = {}


class Meetings:
    """All collectives of a run. A rank's n-th collective on a communicator meets the others' n-th there."""

    def __init__(self) -> None:
        self._open: dict[tuple[Communicator, int], _Meeting] = {}
        self._count: dict[tuple[Communicator, int], int] = {}

    def arrive(self, rank: int, operation: Collective) -> tuple[dict[int, Any], Mismatch | None]:
        """Note that ``rank`` has come. Gives the ranks that can go on now, each with its result, and a mismatch.

        A broadcast lets its source go at once and the others when the source has come; every other collective lets
        all go when the last one has come.
        """
        communicator = (operation.group, operation.group_id)
        position = self._count.get((communicator, rank), 0)
        self._count[communicator, rank] = position + 1
        key = (communicator, position)
        meeting = self._open.get(key)
        if meeting is None:
            meeting = self._open[key] = _Meeting(rank, operation)
        elif (meeting.name, meeting.source) != (operation.name, operation.source):
            return {}, Mismatch(
                rank,
                _named(operation.name, operation.source),
                meeting.first,
                _named(meeting.name, meeting.source),
                position,
            )
        meeting.arrived[rank] = operation.value
        complete = len(meeting.arrived) == len(operation.group)
        if complete:
            del self._open[key]
        if operation.name == "broadcast":
            return _broadcast(meeting, rank), None
        return (_results(meeting, operation.group) if complete else {}), None


def _named(name: str, source: int) -> str:
    return f"broadcast from rank {source}" if name == "broadcast" else name


def _copied(value: Any) -> Any:
    if value is None or isinstance(value, int | float | str | bytes | bool):
        return value
    return copy.deepcopy(value)


def _broadcast(meeting: _Meeting, rank: int) -> dict[int, Any]:
    if rank == meeting.source:
        # Whoever waits goes on now; later ones go on as they come. The value is copied at this moment.
        meeting.arrived[rank] = _copied(meeting.arrived[rank])
        return {other: _copied(meeting.arrived[rank]) for other in sorted(meeting.arrived)}
    if meeting.source in meeting.arrived:
        return {rank: _copied(meeting.arrived[meeting.source])}
    return {}


def _results(meeting: _Meeting, group: tuple[int, ...]) -> dict[int, Any]:
    if meeting.name == "barrier":
        return dict.fromkeys(group)
    values = [meeting.arrived[r] for r in group]
    if meeting.name == "all_gather":
        return {rank: [_copied(value) for value in values] for rank in group}
    if meeting.name == "all_reduce_max":
        total: Any = max(values)
    elif meeting.name == "all_reduce_min":
        total = min(values)
    elif meeting.name == "all_reduce_sum":
        total = values[0]
        for value in values[1:]:
            total = total + value
    else:
        raise ValueError(f"unknown collective {meeting.name!r}")
    return {rank: _copied(total) for rank in group}
