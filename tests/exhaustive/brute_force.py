"""Every interleaving of a small program, one after the other: what exhaustive search is compared with."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from simulator.engines.greenlets import greenlet_engine
from simulator.engines.interface import Engine
from simulator.engines.programs import RankPrograms
from simulator.happens_before import NO_LOOKS, HappensBefore, Looks, times_in
from simulator.operations import Lock

Outcome = tuple[Any, ...]


class TooLong(Exception):
    """The program takes too many operations for this."""


class Found:
    """What all interleavings of a program give together."""

    def __init__(self) -> None:
        self.classes: set[int] = set()
        self.outcomes: set[Outcome] = set()
        self.states: set[int] = set()
        self.runs = 0
        self.preempted: dict[int, int] = {}
        """The fewest preemptions with which a class can be had."""


def all_interleavings(begin: Callable[[], tuple[Engine, Any]], limit: int, runs: int = 5000) -> Found:
    """Run them all. Raises TooLong where one takes more than ``limit`` steps, or there are more than ``runs``."""
    looks = NO_LOOKS
    while True:
        found, seen = Found(), NO_LOOKS
        for engine, filesystem, preemptions in _runs(begin, limit, found.states):
            found.runs += 1
            if found.runs > runs:
                raise TooLong
            times = (thing for step in engine.steps if step.effects for thing in times_in(step.effects.accesses))
            seen |= Looks(frozenset(times), frozenset(engine.late_looks))
            key = HappensBefore(engine.steps, looks).key()
            found.classes.add(key)
            found.preempted[key] = min(preemptions, found.preempted.get(key, preemptions))
            waiting = {*engine.waiting(), *(task % engine.world_size for task in engine.ready)}
            found.outcomes.add(outcome(engine.endings, waiting, filesystem.digest()))
        if seen == looks:
            return found
        looks = looks | seen


def outcome(endings: dict[int, Any], waiting: Iterable[int], digest: int) -> Outcome:
    """What can be observed of a run: what each rank returned or raised, who waits, and the tree that is left."""
    said = tuple((rank, repr(ending.value), repr(ending.error)) for rank, ending in sorted(endings.items()))
    return said, tuple(sorted(waiting)), digest


def _runs(begin: Callable[[], tuple[Engine, Any]], limit: int, states: set[int]) -> Iterator[tuple[Engine, Any, int]]:
    """All runs, each with the number of its preemptions."""
    choices: list[list[int]] = []
    while True:
        engine, filesystem = begin()
        engine.record_effects = True
        engine.start()
        states.add(filesystem.digest())
        depth, preemptions, last, position = 0, 0, -1, 0
        while ready := _able(engine, filesystem):
            if len(engine.steps) > limit:
                raise TooLong
            if depth == len(choices):
                choices.append(ready)
            task = choices[depth][0]
            # Whoever has met others in a collective since its step is not interrupted.
            met = any(step.task == last for step in engine.steps[position + 1 :])
            preemptions += last in ready and task != last and not met
            last, position = task, len(engine.steps)
            engine.grant(task)
            depth += 1
            states.add(filesystem.digest())
        yield engine, filesystem, preemptions
        engine.close()
        while choices and len(choices[-1]) == 1:
            choices.pop()
        if not choices:
            return
        choices[-1] = choices[-1][1:]


def _able(engine: Engine, filesystem: Any) -> list[int]:
    return [task for task in engine.ready if not _waits(filesystem, task % engine.world_size, engine.pending[task])]


def _waits(filesystem: Any, rank: int, operation: Any) -> bool:
    if not isinstance(operation, Lock) or operation.how & fcntl.LOCK_NB:
        return False
    return bool(filesystem.would_wait(rank, operation))


def starter(
    programs: list[Callable[..., Any]], filesystem: Callable[[], Any], root: str
) -> Callable[[], tuple[Engine, Any]]:
    """How to begin a run of these programs."""
    ranks = RankPrograms(tuple(programs), len(programs), root)

    def begin() -> tuple[Engine, Any]:
        place = filesystem()
        return greenlet_engine(place, ranks), place

    return begin
