"""Pairs of operations whose order could decide a failure, the most telling first.

Two operations of different tasks are a candidate when neither has to wait for the other, the first was done when the
run failed, and their order can matter: they conflict by what they touched; or they change two inodes whose times
somebody compares; or both change what the failed judgement looked at, which is then the one that sees their order. The
second may lie beyond the failure: it is what the first should have waited for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from simulator.campaigns.explanation.recording import Recording
from simulator.exhaustive.execution import positions_in
from simulator.happens_before import Touched, is_scheduled
from simulator.operations import Mode, Thing

_MOST = 5000
"""Pairs of one attempt that are weighed at most, those nearest to the failure."""

_PROMISE: Thing = (0, ":promise")
"""What a save that returns changes and the invariant ``progress`` looks at."""


class Candidate(msgspec.Struct, frozen=True):
    """Positions in the attempt's steps: here the ``first`` comes first.

    The two ``conflict``, or only a judgement sees their order. ``was_done``: both were done when the run failed.
    """

    attempt: int
    first: int
    second: int
    conflict: bool
    was_done: bool

    @property
    def may_decide(self) -> bool:
        """Whether the two can be the pair that decides."""
        return self.conflict and self.was_done


def candidates(recording: Recording, message: str) -> list[Candidate]:
    """The candidates of an attempt; ``message`` is what the verdict says.

    Those that conflict and were done come first; then others that conflict, then those that only a judgement sees; then
    those on a path of the message, or on a directory above one; then those that can be exchanged with the fewest other
    conflicts reversed; then those near the failure.
    """
    named = paths_in(message)
    length = recording.length
    must, after = required(recording), _after(recording)
    found = []
    for first, second, kind, things in _pairs(recording, must):
        elsewhere = not any(is_on(path, named) for thing in things for path in _paths_of(thing, recording))
        reversals = _reversals(recording, first, second, must, after)
        candidate = Candidate(recording.attempt, first, second, kind < 2, second < length)
        near = abs(length - 1 - second), length - 1 - first
        found.append(((not candidate.may_decide, kind, elsewhere, reversals, *near), candidate))
        if len(found) == _MOST:
            break
    return [candidate for _, candidate in sorted(found, key=lambda each: each[0])]


def required(recording: Recording) -> list[int]:
    """For each step the set of those that have to be done before it in every schedule, as bits."""
    order = recording.order
    result: list[int] = []
    last: dict[int, int] = {}
    for index, step in enumerate(order.steps):
        before = 0
        waited = [order.positions[task][n - 1] for task, n in (step.effects.after if step.effects else ()) if n]
        for position in [*waited, *([last[step.task]] if step.task in last else [])]:
            before |= result[position] | 1 << position
        result.append(before)
        last[step.task] = index
    return result


def _after(recording: Recording) -> list[int]:
    """For each step the set of those that it happens before, as bits."""
    result = [0] * len(recording.order)
    for position, before in enumerate(recording.order.before):
        for earlier in positions_in(before):
            result[earlier] |= 1 << position
    return result


def _reversals(recording: Recording, first: int, second: int, must: list[int], after: list[int]) -> int:
    """How many conflicts are reversed when the second, and what has to be before it, comes before the first."""
    moved = must[second] & after[first] | 1 << second
    stay = (after[first] | 1 << first) & ~moved
    return sum((recording.order.conflicts[position] & stay).bit_count() for position in positions_in(moved))


def _pairs(recording: Recording, must: list[int]) -> Iterator[tuple[int, int, int, set[Thing]]]:
    """(first, second, kind, things by which their order matters), the second ones by their distance to the failure."""
    order, length = recording.order, recording.length
    seen = [_seen(recording, position) for position in range(len(order))]
    seen_by_judge = sum(1 << position for position, things in enumerate(seen) if things)
    done = (1 << length) - 1
    for second in sorted(range(len(order)), key=lambda position: abs(length - 1 - position)):
        if not is_scheduled(order.steps[second]):
            continue
        rest = order.conflicts[second]
        if seen[second]:
            rest |= seen_by_judge
        rest &= done & ((1 << second) - 1) & ~must[second]
        while rest:
            first = rest.bit_length() - 1
            rest ^= 1 << first
            if order.steps[first].task == order.steps[second].task or not is_scheduled(order.steps[first]):
                continue
            shared = _shared(order.touched[first], order.touched[second])
            if shared:
                yield first, second, 0, shared
            elif order.conflicts[second] >> first & 1:
                yield first, second, 1, {(inode, ":mtime") for inode in order.touched[first].stamped}
            else:
                yield first, second, 2, seen[first] | seen[second]


def _seen(recording: Recording, position: int) -> set[Thing]:
    """What a step changed of that which the failed judgement looked at."""
    looked = recording.looked
    things = {
        thing
        for thing, mode in recording.order.touched[position].things.items()
        if mode is not Mode.READ and (looked is None or thing in looked)
    }
    effects = recording.order.steps[position].effects
    if recording.promises and things is not None and effects is not None and effects.saved:
        things.add(_PROMISE)
    return things


def _shared(first: Touched, second: Touched) -> set[Thing]:
    """The things by which two steps conflict directly."""
    both = first.things.keys() & second.things.keys()
    return {t for t in both if first.things[t] is not second.things[t] or first.things[t] is Mode.WRITE}


def _paths_of(thing: Thing, recording: Recording) -> Iterator[str]:
    inode, facet = thing
    for path in recording.paths.get(inode, ()):
        yield f"{path}{facet}".lstrip("/") if facet.startswith("/") else path


def paths_in(message: str) -> list[str]:
    """What may be a path in a message: everything in quotes, and every other word."""
    quoted = re.findall(r"'([^']+)'", message)
    return quoted + [word.strip(",.:;()'") for word in re.sub(r"'[^']*'", " ", message).split()]


def is_on(path: str, named: list[str]) -> bool:
    """Whether a path is named, or is a directory above one that is; a name alone is enough (``unlink`` by descriptor).

    The root is above everything, which tells nothing.
    """
    return bool(path) and any(
        name == path or name.startswith(path + "/") or ("/" not in name and path.endswith("/" + name)) for name in named
    )
