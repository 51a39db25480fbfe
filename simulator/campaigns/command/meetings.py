"""Who must have done what before whom, by the collectives that a program announced.

A rank's k-th collective on a communicator meets the others' k-th there. Whoever returns from one knows all that those
whom it waited for had done, and all that they had heard of before (Lamport, 1978; vector clocks, Mattern, 1989).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import msgspec

from simulator.trace import Meeting

Past: TypeAlias = Mapping[int, Mapping[int, Sequence[tuple[int, int]]]]
"""By task and number of its operation: (task, n), the first n operations of which came before it."""

_Place: TypeAlias = tuple[tuple[int, ...], str, int]
"""A communicator and the number of the collective there."""


class _Entry(msgspec.Struct):
    """A meeting with its place; ``clock`` is what the task knew when it came, None until it has."""

    meeting: Meeting
    place: _Place
    clock: dict[int, int] | None = None


def pasts(meetings: Iterable[Meeting]) -> Past:
    """What each operation had to wait for because of collectives; nothing where ranks disagree about them."""
    entries = _placed(meetings)
    came = {(entry.place, entry.meeting.rank): entry for task in entries.values() for entry in task if _comes(entry)}
    disputed = _disputed(came.values())
    clocks: dict[int, dict[int, int]] = {task: {} for task in entries}
    positions = dict.fromkeys(entries, 0)
    found: dict[int, dict[int, list[tuple[int, int]]]] = {}
    moved = True
    while moved:
        moved = False
        for task, its in entries.items():
            while positions[task] < len(its):
                entry = its[positions[task]]
                meeting, clock = entry.meeting, clocks[task]
                if not meeting.back:
                    entry.clock = {**clock, task: meeting.n} if task >= 0 else dict(clock)
                elif not _is_disputed(entry.place, disputed):
                    waited = [came.get((entry.place, rank)) for rank in _waited_for(meeting)]
                    if any(each is None or each.clock is None for each in waited):
                        break
                    for each in waited:
                        assert each is not None
                        assert each.clock is not None
                        for other, n in each.clock.items():
                            if other != task:
                                clock[other] = max(clock.get(other, 0), n)
                    found.setdefault(task, {})[meeting.n] = sorted(clock.items())
                positions[task] += 1
                moved = True
    return found


def _placed(meetings: Iterable[Meeting]) -> dict[int, list[_Entry]]:
    """The meetings of each task, in order, with where they take place."""
    counts: dict[tuple[int, tuple[int, ...], str], int] = {}
    inside: dict[int, _Place] = {}
    entries: dict[int, list[_Entry]] = {}
    for meeting in meetings:
        if meeting.back:
            place = inside.get(meeting.task)
            if place is None:
                continue
        else:
            key = (meeting.rank, meeting.group, meeting.identity)
            counts[key] = counts.get(key, 0) + 1
            place = inside[meeting.task] = (meeting.group, meeting.identity, counts[key])
        entries.setdefault(meeting.task, []).append(_Entry(meeting, place))
    return entries


def _comes(entry: _Entry) -> bool:
    return not entry.meeting.back


def _disputed(came: Iterable[_Entry]) -> dict[tuple[tuple[int, ...], str], int]:
    """The first collective of each communicator about which ranks disagree: from there on nothing is known."""
    said: dict[_Place, tuple[str, int | None]] = {}
    disputed: dict[tuple[tuple[int, ...], str], int] = {}
    for entry in came:
        group, identity, number = entry.place
        what = (entry.meeting.name, entry.meeting.one)
        if said.setdefault(entry.place, what) != what:
            key = (group, identity)
            disputed[key] = min(disputed.get(key, number), number)
    return disputed


def _is_disputed(place: _Place, disputed: Mapping[tuple[tuple[int, ...], str], int]) -> bool:
    first = disputed.get((place[0], place[1]))
    return first is not None and place[2] >= first


def _waited_for(meeting: Meeting) -> Sequence[int]:
    """The ranks that must have come before this one goes on."""
    if meeting.waits == "from" and meeting.one is not None:
        return (meeting.one,)
    return meeting.group
