"""The sleeps that are held: which of them ends next, in a time that passes only when nothing else happens.

Each sleep has a deadline on a clock of the run, and sleeps end in the order of their deadlines. The clock goes on by a
little with each step, and to the earliest deadline where nobody can do anything but sleep. So a program that looks
again and again needs neither real time nor luck, and of two threads that back off from each other's lock, as those of
compilers do every few microseconds, neither keeps the other from its turn.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from simulator.engines.command.rank import Dozing, RankProcess
from simulator.interposition.listener import Held
from simulator.operations import Operation, paths_of

_STEP: Final = 200_000
"""Nanoseconds of the run's clock that a step takes."""
_BACK_OFF: Final = 2_000_000
"""Nanoseconds: who sleeps for longer does not back off from a lock (absl's sleep for 10 and 1,000 microseconds)."""
_SHORTEST: Final = 50_000
"""Nanoseconds: what the kernel rounds the shortest sleeps up to, its timer slack (prctl(2), PR_SET_TIMERSLACK)."""
_TURNS: Final = 100
"""So often one thread sleeps while the others wait for a later deadline; then each of them has its turn."""
_RENEWALS: Final = 10
"""So often, between two decisions, who has slept may do something that the others have to see."""


class Turn(msgspec.Struct, frozen=True):
    """A sleep that is to end, of a thread of a rank; ``really``: by itself, as what it waits for takes real time."""

    rank: RankProcess
    thread: int
    dozing: Dozing
    really: bool = False


class Sleepers:
    """Whose sleep ends next. One instance serves one attempt."""

    def __init__(self, ranks: Sequence[RankProcess]) -> None:
        self._ranks = ranks
        self._now = 0
        self._horizon = 0
        self._turns: Counter[int] = Counter()
        self._granted: int | None = None
        self._woken: Turn | None = None
        self._renewals = 0
        self._before: dict[int, set[tuple[object, ...]]] = {}
        self._latest: dict[int, set[tuple[object, ...]]] = {}
        self._polling: set[int] = set()
        self._endless: set[int] = set()

    def step(self, granted: int | None, operation: Operation | None) -> None:
        """A thread has made its step, or, None, the job has just begun or somebody has died."""
        self._now += _STEP
        self._granted, self._woken, self._renewals = granted, None, 0
        self._renew()
        if granted is not None and operation is not None and (paths := paths_of(operation)):
            self._latest.setdefault(granted, set()).add((type(operation), *paths))

    def doze(self, rank: RankProcess, held: Held, nanoseconds: int) -> None:
        """A thread of a rank is about to sleep for so long: it is held until ``next`` says so."""
        deadline = self._now + max(nanoseconds, _SHORTEST)
        latest = self._latest.pop(held.thread, None)
        if latest:
            # Who has done nothing new since it last slept looks again and again for what others do.
            before = self._before.setdefault(held.thread, set())
            (self._polling.add if latest <= before else self._polling.discard)(held.thread)
            before |= latest
        rank.dozing[held.thread] = Dozing(held, deadline, time.monotonic_ns() + nanoseconds, nanoseconds <= _BACK_OFF)

    def next(self, others: bool) -> Turn | None:
        """The sleep that ends next, now that nothing moves; None where nobody's is to end before the next decision.

        ``others``: somebody can be granted a step. Then a task, which may look for what the others do, looks once after
        each step of theirs, and the threads that nothing is known of sleep until their time has come. Who backs off
        from a lock waits for nobody's step: it sleeps on until it has what it waits for.
        """
        self._note_what_became_of_the_last()
        found = [(rank, thread, dozing) for rank in self._ranks for thread, dozing in rank.dozing.items()]
        if others:
            awaited = [each for each in found if each[0].is_awaited(each[1]) and self._backs_off(*each)]
            until = max((dozing.deadline for _, _, dozing in awaited), default=self._horizon)
            found = [each for each in found if self._is_due(*each, until)]
        if not found:
            return None
        earliest = min(dozing.deadline for _, _, dozing in found)
        rank, thread, dozing = min(found, key=lambda each: self._place(*each, others=others))
        if dozing.deadline == earliest and not (others and rank.is_awaited(thread) and not dozing.brief):
            self._now = max(self._now, earliest)
        self._woken = Turn(rank, thread, dozing, really=self._waits_for_the_world(rank, thread))
        self._turns[thread] += 1
        if others and self._turns[thread] >= _TURNS:
            self._endless.add(thread)
        return self._woken

    def overdue(self, rank: RankProcess, *, tasks: bool) -> Iterator[Turn]:
        """The sleeps of a rank that would have ended by themselves by now; those of ``tasks`` as well if so.

        To be asked where the rank moves for long: who moves may itself wait for them, and never become quiet.
        """
        now = time.monotonic_ns()
        for thread, dozing in sorted(rank.dozing.items()):
            if dozing.ends <= now and (tasks or not rank.is_awaited(thread)):
                yield Turn(rank, thread, dozing)

    def _is_due(self, rank: RankProcess, thread: int, dozing: Dozing, until: int) -> bool:
        """Whether a sleep is to end although somebody can be granted a step."""
        if self._backs_off(rank, thread, dozing):
            return True
        if rank.is_awaited(thread):
            return not self._turns[thread]
        return dozing.deadline <= max(self._horizon, until)

    def _backs_off(self, rank: RankProcess, thread: int, dozing: Dozing) -> bool:
        """Whether a sleep is of the kind that locks are made of, and not one between two looks for others' files."""
        return dozing.brief and thread not in self._endless and thread not in self._polling

    def _waits_for_the_world(self, rank: RankProcess, thread: int) -> bool:
        """Whether to let real time pass: who has made no call yet may wait for a server to start, or for a device."""
        if thread in rank.tasks or not self._turns[thread]:
            return False
        if rank.is_awaited(thread):
            return True
        others = (each.is_awaited(sleeper) for each in self._ranks for sleeper in each.dozing)
        return self._turns[thread] >= _TURNS and not any(others)

    def _place(self, rank: RankProcess, thread: int, dozing: Dozing, *, others: bool) -> tuple[int, int, int, int, int]:
        turns = 0 if others else self._turns[thread] // _TURNS
        return turns, dozing.deadline, rank.number, rank.task_number(thread), thread

    def _note_what_became_of_the_last(self) -> None:
        """Whoever woke up and does not sleep again has done something: the others may look once more."""
        woken, self._woken = self._woken, None
        if woken is None or woken.thread in woken.rank.dozing or woken.thread in woken.rank.waiting:
            return
        self._endless.discard(woken.thread)
        if self._renewals < _RENEWALS:
            self._renewals += 1
            self._renew()

    def _renew(self) -> None:
        self._horizon = self._now + _STEP
        self._turns.clear()
        if self._granted is not None:
            self._turns[self._granted] = 1
