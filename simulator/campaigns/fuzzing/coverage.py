"""What a run covers: the ordered pairs of conflicting operations in it, and which of them could be reversed.

A pair counts where two operations of different tasks conflict by what they touched, and nothing else puts the first
before the second: a race, in the order that the schedule gave it. To have seen both orders of every race is what Maple
calls covering the interleaving idiom of two accesses (Yu, Narayanasamy, Pereira and Pokam, OOPSLA 2012). Where a rank
dies, an operation fails by a fault or gets a stale answer, that counts as a pair of the fault and the operation.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from simulator.campaigns.fuzzing.identity import Identities, named, pair_of
from simulator.engines.interface import Step
from simulator.happens_before import HappensBefore, Looks, is_scheduled, times_in
from simulator.run import Run

_NO_STRIKES = frozenset({"schedule", "end", "lost", "listing", "tie", "skew", "slow"})
"""Kinds of choices that are not addressed by an operation that they are about."""


class Race(msgspec.Struct, frozen=True, array_like=True):
    """Two operations whose order the schedule decided, by their addresses: (task, n-th operation of that task).

    ``pair`` is the order that was seen, ``reverse`` the other one. ``group`` is what kinds of operations they are.
    """

    attempt: int
    first_task: int
    first_n: int
    second_task: int
    second_n: int
    pair: int
    reverse: int
    group: str


def races_of(run: Run, identities: Identities) -> list[Race]:
    """The races of a run, which was made with its effects recorded."""
    found = []
    for attempt, record in enumerate(run.attempts):
        steps = record.steps
        times = {thing for step in steps if step.effects is not None for thing in times_in(step.effects.accesses)}
        names = identities.of(steps)
        for first, second in _reversible(HappensBefore(steps, Looks(frozenset(times)))):
            a, b = steps[first], steps[second]
            found.append(
                Race(
                    attempt,
                    a.task,
                    a.n,
                    b.task,
                    b.n,
                    pair_of(names[first], names[second]),
                    pair_of(names[second], names[first]),
                    f"{_kind(a)} {_kind(b)}",
                )
            )
    return found


def strikes_of(run: Run, identities: Identities) -> list[int]:
    """The pairs of a fault and what it struck, by the last operation that the same task had done before."""
    found = []
    for attempt, kind, task, n in run.tape.choices:
        if kind not in _NO_STRIKES and attempt < len(run.attempts):
            steps = run.attempts[attempt].steps
            done = [name for step, name in zip(steps, identities.of(steps), strict=True) if step.task == task]
            found.append(pair_of(named(kind), done[min(n, len(done)) - 1] if done and n else 0))
    return found


def _reversible(order: HappensBefore) -> Iterator[tuple[int, int]]:
    steps = order.steps
    for first, second in order.races():
        if steps[first].task != steps[second].task and is_scheduled(steps[first]) and is_scheduled(steps[second]):
            yield first, second


def _kind(step: Step) -> str:
    return type(step.operation).__name__.lower()
