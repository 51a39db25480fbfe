"""Collectives: who waits for whom, and the two ways in which ranks can disagree about them."""

from __future__ import annotations

import pickle
from typing import Any, TypeAlias

import msgspec

from simulator.operations import FROM_ONE, TO_ONE, Collective, Message, Ticket
from simulator.rank import copied


class Mismatch(msgspec.Struct, frozen=True):
    """Two ranks issued different collectives at the same position of one communicator: a real job hangs here."""

    rank: int
    issued: str
    other: int
    expected: str
    position: int


Arrival: TypeAlias = tuple[int, int]
"""(task, how many steps it had taken when it came)."""


class Release(msgspec.Struct, frozen=True):
    """A task that goes on from a collective, with its result or, where the values do not fit together, an error.

    Before ``time`` (nanoseconds) it cannot go on: what it waited for came then. ``after`` is what it waited for.
    ``size`` in bytes is what it got from other ranks, where that was asked for.
    """

    task: int
    time: int
    after: tuple[Arrival, ...]
    value: Any = None
    error: Exception | None = None
    size: int = 0


class _Meeting:
    """One collective of one communicator: who has come, in which task, when, with what."""

    __slots__ = ("arrived", "begun", "first", "name", "one", "sized")

    def __init__(self, rank: int, operation: Collective, *, sized: bool) -> None:
        self.name = operation.name
        self.one = operation.one
        self.first = rank
        self.sized = sized
        self.arrived: dict[int, tuple[Arrival, int, Any]] = {}
        self.begun: dict[int, int] = {}
        """Of the tasks that came and went on: their ranks."""


class _Communicator:
    """The collectives of one communicator: how many each rank has issued, and those that not everybody has come to."""

    __slots__ = ("counts", "ended", "group", "identity", "open", "waiting")

    def __init__(self, group: tuple[int, ...], identity: int) -> None:
        self.group = group
        self.identity = identity
        self.counts: dict[int, int] = {}
        self.open: dict[int, _Meeting] = {}
        self.ended: dict[tuple[int, int], Release] = {}
        """By rank and position: what waits for whoever began a collective there, and will come for it."""
        self.waiting: dict[tuple[int, int], int] = {}
        """By rank and position: the task that has come for it."""

    def wait(self, rank: int, task: int, position: int) -> list[Release]:
        """The task waits for what its rank began there."""
        release = self.ended.pop((rank, position), None)
        if release is None:
            self.waiting[rank, position] = task
            return []
        return [msgspec.structs.replace(release, task=task)]

    def hand_out(self, meeting: _Meeting, position: int, releases: list[Release]) -> list[Release]:
        """Keep those of tasks that began the collective and went on."""
        out = []
        for release in releases:
            rank = meeting.begun.get(release.task)
            if rank is None:
                out.append(release)
                continue
            task = self.waiting.pop((rank, position), None)
            if task is None:
                self.ended[rank, position] = release
            else:
                out.append(msgspec.structs.replace(release, task=task))
        return out


class Meetings:
    """All collectives of a run. A rank's n-th collective on a communicator meets the others' n-th there.

    An arrival costs the same however many ranks there are, as long as those of a communicator pass the same tuple.
    With ``sized`` releases say how many bytes came with them.
    """

    def __init__(self, *, sized: bool = False) -> None:
        self._sized = sized
        self._communicators: dict[tuple[tuple[int, ...], int], _Communicator] = {}
        self._latest = _Communicator((), 0)

    def arrive(
        self, rank: int, arrival: Arrival, time: int, operation: Collective
    ) -> tuple[list[Release], Mismatch | None]:
        """Note that ``rank`` has come at ``time``. Gives the tasks that go on now, and a mismatch.

        A broadcast lets its source go at once and the others when the source has come; a gather lets the destination
        go when all have come and the others at once; every other collective lets all go when the last one has come.
        Who does not wait goes on at once with a ticket, and its result is for who comes with that.
        The operation's value must be a copy that nobody else changes.
        """
        communicator = self._communicator(operation)
        if type(operation.value) is Ticket:
            return communicator.wait(rank, arrival[0], operation.value.position), None
        position = communicator.counts.get(rank, 0)
        communicator.counts[rank] = position + 1
        meeting = communicator.open.get(position)
        if meeting is None:
            meeting = communicator.open[position] = _Meeting(rank, operation, sized=self._sized)
        elif (meeting.name, meeting.one) != (operation.name, operation.one):
            issued = _named(operation.name, operation.one)
            return [], Mismatch(rank, issued, meeting.first, _named(meeting.name, meeting.one), position)
        meeting.arrived[rank] = (arrival, time, operation.value)
        complete = len(meeting.arrived) == len(operation.group)
        if complete:
            del communicator.open[position]
        goes_on = type(operation.value) is Message and not operation.value.waits
        if goes_on:
            meeting.begun[arrival[0]] = rank
        if operation.name in FROM_ONE:
            released = _from_one(meeting, rank)
        elif operation.name in TO_ONE:
            released = _to_one(meeting, rank, operation.group if complete else None)
        else:
            released = _results(meeting, operation.group) if complete else []
        if meeting.begun:
            released = communicator.hand_out(meeting, position, released)
        if goes_on:
            released.append(Release(arrival[0], time, (arrival,), Ticket(position)))
        return released, None

    def _communicator(self, operation: Collective) -> _Communicator:
        group, identity, latest = operation.group, operation.group_id, self._latest
        if latest.group is group and latest.identity == identity:
            return latest  # To look a tuple up takes as long as it is.
        key = (group, identity)
        found = self._communicators.get(key)
        if found is None:
            found = self._communicators[key] = _Communicator(group, identity)
        self._latest = found
        return found


def _named(name: str, one: int) -> str:
    way = "from" if name in FROM_ONE else "to" if name in TO_ONE else None
    return f"{name} {way} rank {one}" if way else name


def _from_one(meeting: _Meeting, rank: int) -> list[Release]:
    source = meeting.one
    if source not in meeting.arrived:
        return []
    came, time, value = meeting.arrived[source]
    size = _size(value) if meeting.sized else 0
    # When the source comes, whoever waits goes on; later ones go on as they come.
    released = sorted(meeting.arrived) if rank == source else [rank]
    return [
        Release(meeting.arrived[r][0][0], time, (came,), copied(value), size=0 if r == source else size)
        for r in released
    ]


def _to_one(meeting: _Meeting, rank: int, group: tuple[int, ...] | None) -> list[Release]:
    """The rank has come to one of those; ``group`` when it was the last one to come."""
    released = []
    if rank != meeting.one:
        (task, n), time, _ = meeting.arrived[rank]
        released.append(Release(task, time, ((task, n),)))
    if group is not None:
        arrived = [meeting.arrived[member] for member in group]
        values = [value for _, _, value in arrived]
        latest, after = max(time for _, time, _ in arrived), tuple(arrival for arrival, _, _ in arrived)
        task, _ = meeting.arrived[meeting.one][0]
        try:
            gathered = copied(values)
            size = 0
            if meeting.sized:
                size = sum(_size(value) for member, value in zip(group, values, strict=True) if member != meeting.one)
            released.append(Release(task, latest, after, gathered, size=size))
        except Exception as error:
            released.append(Release(task, latest, after, None, error))
    return released


def _results(meeting: _Meeting, group: tuple[int, ...]) -> list[Release]:
    arrived = [meeting.arrived[rank] for rank in group]
    latest = max(time for _, time, _ in arrived)
    after = tuple(arrival for arrival, _, _ in arrived)
    if meeting.name == "barrier":
        return [Release(task, latest, after) for task, _ in after]
    try:
        result = _combined(meeting.name, [value for _, _, value in arrived])
        copies = _copies(result, len(after))
        got = _got(meeting, result, len(after)) if meeting.sized else [0] * len(after)
        return [
            Release(task, latest, after, copy, size=size)
            for (task, _), copy, size in zip(after, copies, got, strict=True)
        ]
    except Exception as error:
        # Values of code under test, say a sum of a number and a text: its error, on every rank.
        return [Release(task, latest, after, None, error) for task, _ in after]


def _got(meeting: _Meeting, result: Any, count: int) -> list[int]:
    """The bytes that each of so many ranks gets from the others, in a collective in which all wait for all."""
    if meeting.name == "all_gather":
        sizes = [_size(value) for value in result]
        total = sum(sizes)
        return [total - own for own in sizes]
    return [_size(result) if count > 1 else 0] * count


def _size(value: Any) -> int:
    """The bytes of a value on its way to another process; none for one that cannot go there."""
    if value is None:
        return 0
    if isinstance(value, int | float):
        return 8
    try:
        return len(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
    except Exception:
        return 0


def _copies(value: Any, count: int) -> list[Any]:
    """``copied`` so many times. What every rank gathers from every other is pickled once, as real collectives do it.

    What cannot be pickled is copied all the same: ranks of one process may exchange it. Raises as ``copied`` does.
    """
    if count == 1 or type(value) is int:
        return [copied(value) for _ in range(count)]
    try:
        message = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        return [pickle.loads(message) for _ in range(count)]
    except Exception:
        return [copied(value) for _ in range(count)]


def _combined(name: str, values: list[Any]) -> Any:
    if name == "all_gather" or isinstance(values[0], Message):
        return values
    if name == "all_reduce_max":
        return max(values)
    if name == "all_reduce_min":
        return min(values)
    if name == "all_reduce_sum":
        total = values[0]
        for value in values[1:]:
            total = total + value
        return total
    raise ValueError(f"unknown collective {name!r}")
