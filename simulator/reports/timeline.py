"""A trace as rows in schedule order: what terminal and HTML both draw, whatever the medium.

One row is one operation, one collective (all its ranks together), one fault, or a heading. Rows know which lanes are
alive beside them, and which were chosen by the scheduler against what an undisturbed run would have done.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

import msgspec

from simulator.narration import Narrator, Phrase, collective_name
from simulator.trace import AttemptTrace, Event, Trace

Switch: TypeAlias = Literal["", "forced", "chosen"]
"""Whether another task went on here, and whether that was a decision: forced where the last one could not go on."""


class Operation(msgspec.Struct, frozen=True):
    """One operation of one rank. ``step`` counts the events of all attempts from 1; ``mark`` is A, B or ``!``.

    ``previous`` is the rank that went before, ``joined`` how many operations this row stands for.
    """

    attempt: int
    step: int
    rank: int
    task: int
    previous: int | None
    phrase: Phrase
    site: str | None
    switch: Switch
    alive: frozenset[int]
    mark: str = ""
    failed: bool = False
    joined: int = 1


class Meeting(msgspec.Struct, frozen=True):
    """A collective: ``ranks`` went through it together; ``said`` is its name."""

    attempt: int
    step: int
    ranks: tuple[int, ...]
    said: str
    alive: frozenset[int]


class Strike(msgspec.Struct, frozen=True):
    """A fault struck. ``ranks`` are those that died of it."""

    attempt: int
    ranks: tuple[int, ...]
    said: str
    alive: frozenset[int]


class Ended(msgspec.Struct, frozen=True):
    """A rank raised, at ``site`` (``file:line``) where that is known."""

    attempt: int
    rank: int
    said: str
    alive: frozenset[int]
    site: str | None = None


class Heading(msgspec.Struct, frozen=True):
    """An attempt of the job begins."""

    attempt: int
    said: str


class Fold(msgspec.Struct, frozen=True):
    """Rows that were left out; ``said`` sums them up."""

    rows: tuple[Row, ...]
    said: str
    ranks: frozenset[int]
    alive: frozenset[int]

    @property
    def count(self) -> int:
        """How many operations are left out."""
        return sum(
            len(row.ranks) if isinstance(row, Meeting) else row.joined if isinstance(row, Operation) else 1
            for row in self.rows
        )


Row: TypeAlias = Operation | Meeting | Strike | Ended | Heading | Fold

_OF_NO_OPERATION = frozenset({"no-hang", "no-leak"})
"""Invariants that are violated by what did not happen."""

_ERRNO = re.compile(r"\[Errno (\d+)\]")

_DESCRIPTOR = re.compile(r"fd\d+")

Marks: TypeAlias = Mapping[tuple[int, int], str]
"""(attempt, position of the event in it) -> the letter by which a text names that operation."""


def ranks_of(trace: Trace) -> list[int]:
    """The ranks that have a lane: those of the scenario's cluster, and any other that did something."""
    cluster = trace.scenario.get("cluster", {})
    count = int(cluster.get("nodes", 1)) * int(cluster.get("ranks_per_node", 1))
    acted = {event.rank for attempt in trace.attempts for event in attempt.events}
    return sorted(set(range(count)) | acted)


def node_of(trace: Trace, rank: int) -> int:
    """The node that a rank runs on."""
    return rank // max(1, int(trace.scenario.get("cluster", {}).get("ranks_per_node", 1)))


def rows_of(trace: Trace, marks: Marks | None = None) -> list[Row]:
    """Every row of a trace, nothing left out."""
    marks = marks or {}
    rows: list[Row] = []
    step = 0
    for number, attempt in enumerate(trace.attempts):
        if len(trace.attempts) > 1:
            rows.append(Heading(number, f"attempt {number + 1} of the job" + (", on what is left" if number else "")))
        for row in _Attempt(trace, number, attempt, step, marks).rows():
            rows.append(row)
        step += len(attempt.events)
    return rows


class _Attempt:
    """The rows of one attempt."""

    def __init__(self, trace: Trace, number: int, attempt: AttemptTrace, steps_before: int, marks: Marks) -> None:
        self._trace = trace
        self._number = number
        self._events = attempt.events
        self._faults = sorted(attempt.faults)
        self._endings = attempt.endings
        self._sites = attempt.sites
        self._steps_before = steps_before
        self._marks = marks
        self._chosen = {(task, n) for a, kind, task, n, _ in trace.tape if a == number and kind == "schedule"}
        self._last_of = {event.rank: position for position, event in enumerate(attempt.events)}
        """The position of each rank's last event; a rank without one that has ended did so before all others."""
        self._alive = frozenset(ranks_of(trace))
        self._failing = _failing_position(trace, number)
        self._narrator = Narrator()
        self._last: Event | None = None
        self._done: dict[int, int] = {}

    def rows(self) -> Iterator[Row]:
        faults = list(self._faults)
        position = 0
        for rank in sorted(self._endings.keys() - self._last_of.keys()):
            yield from self._ended(rank, 0)
        while position < len(self._events):
            while faults and faults[0][0] <= position:
                yield self._strike(faults.pop(0)[1])
            event = self._events[position]
            together = self._together(position) if event.kind == "collective" else [event]
            yield self._meeting(position, together) if event.kind == "collective" else self._operation(position, event)
            for member in together:
                self._done[member.task] = member.n + 1
            position += len(together)
            for member in together:
                yield from self._ended(member.rank, position)
        for _, said in faults:
            yield self._strike(said)
        left = self._alive - self._endings.keys()
        if self._faults and left and self._number < len(self._trace.attempts) - 1:
            yield Strike(self._number, tuple(sorted(left)), "the launcher ends the other ranks", self._alive)

    def _operation(self, position: int, event: Event) -> Operation:
        last = self._last
        switch: Switch = ""
        if event.kind != "join":
            self._last = event
        if last is None:
            switch = "chosen" if (-1, 0) in self._chosen else ""
        elif last.task != event.task and event.kind != "join":
            switch = "chosen" if (last.task, self._done[last.task]) in self._chosen else "forced"
        failed = position == self._failing
        mark = self._marks.get((self._number, position), "!" if failed else "")
        return Operation(
            self._number,
            self._steps_before + position + 1,
            event.rank,
            event.task,
            None if last is None else last.rank,
            self._narrator.tell(event),
            event.site,
            switch,
            self._alive,
            mark,
            failed,
        )

    def _together(self, position: int) -> list[Event]:
        """The events from ``position`` on that are the same collective: one of each rank, released together."""
        first = self._events[position]
        members: dict[int, Event] = {}
        for event in self._events[position:]:
            if event.kind != "collective" or event.arguments[:3] != first.arguments[:3] or event.task in members:
                break
            members[event.task] = event
        return list(members.values())

    def _meeting(self, position: int, together: list[Event]) -> Meeting:
        ranks = tuple(sorted(event.rank for event in together))
        return Meeting(
            self._number,
            self._steps_before + position + 1,
            ranks,
            collective_name(str(together[0].arguments[0])),
            self._alive,
        )

    def _strike(self, said: str) -> Strike:
        died = tuple(
            rank
            for rank in sorted(self._alive)
            if self._endings.get(rank) == "killed"
            and said.startswith((f"rank {rank} ", f"node {node_of(self._trace, rank)} "))
        )
        alive, self._alive = self._alive, self._alive.difference(died)
        return Strike(self._number, died, said, alive)

    def _ended(self, rank: int, position: int) -> Iterator[Row]:
        """A rank's lane ends after its last operation; why, is a row of its own where the rank raised."""
        ending = self._endings.get(rank, "killed")
        if self._last_of.get(rank, -1) >= position or rank not in self._alive or ending == "killed":
            return
        if ending != "returned":
            verdict = self._trace.verdict
            told = verdict is not None and verdict.rank == rank and verdict.message.endswith(ending)
            said = ending.partition(":")[0] if told else ending
            yield Ended(self._number, rank, said, self._alive, self._sites.get(rank))
        self._alive = self._alive - {rank}


def _failing_position(trace: Trace, number: int) -> int | None:
    """The event at which the verdict fell, if it fell at one.

    For a rank that raised that is the operation whose error it raised: an exception that no operation gave is the doing
    of none. Else it is the last one, after which what a restart would find was not right any more.
    """
    verdict = trace.verdict
    if verdict is None or number != len(trace.attempts) - 1 or verdict.invariant in _OF_NO_OPERATION:
        return None
    events = trace.attempts[number].events
    if verdict.invariant != "no-error":
        return len(events) - 1 if events and at_an_instant(trace) else None
    own = (position for position, event in enumerate(events) if event.rank == verdict.rank)
    return max((position for position in own if _is_about(verdict.message, events[position])), default=None)


def at_an_instant(trace: Trace) -> bool:
    """Whether what a restart would find was judged after each operation, not only when the job had ended."""
    return bool(trace.scenario.get("faults", {}).get("job_death", True))


def _is_about(message: str, event: Event) -> bool:
    """Whether an exception's text is about this refused operation: its errno, and the last part of one of its paths.

    What fails on a descriptor, a write say, gives an exception that names no path.
    """
    number = _ERRNO.search(message)
    if number is None or event.error is None:
        return False
    said = errno.errorcode.get(int(number.group(1)))
    alike = {said} | ({"ENOTEMPTY", "EEXIST"} if said in ("ENOTEMPTY", "EEXIST") else set())
    if event.error not in alike:
        return False
    if event.arguments and _DESCRIPTOR.fullmatch(str(event.arguments[0])) and "'" not in message[number.end() :]:
        return True
    names = [str(argument).rpartition("/")[2] for argument in event.arguments[:2] if isinstance(argument, str)]
    return any(name and name in message for name in names)
