"""The pairs of operations that race and that two runs of a program have in opposite orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from simulator.engines.interface import Step
from simulator.schedulers.races import Targets, may_race


class ReversedPair(msgspec.Struct, frozen=True):
    """Positions among the steps of the one run, ``first`` before ``second``, and ``there``, among the other's."""

    first: int
    second: int
    first_there: int
    second_there: int


def reversed_pairs(steps: Sequence[Step], others: Sequence[Step]) -> Iterator[ReversedPair]:
    """Such pairs of two runs, the last in ``steps`` first; the two operations are of different ranks.

    An operation is the same in both runs when its task does the same to the same path for as many times: how often it
    sleeps in between, as who polls does, may differ.
    """
    paths = _paths_of(steps)
    elsewhere = {key: position for position, key in enumerate(_keys_of(others, _paths_of(others)))}
    places = [elsewhere.get(key) for key in _keys_of(steps, paths)]
    for second in range(len(steps) - 1, -1, -1):
        for first in range(second - 1, -1, -1):
            a, b = steps[first], steps[second]
            before, after = places[first], places[second]
            if a.rank == b.rank or before is None or after is None or before < after:
                continue
            if may_race(a.operation, paths[first], b.operation, paths[second]):
                yield ReversedPair(first, second, before, after)


def _paths_of(steps: Sequence[Step]) -> list[tuple[str, ...]]:
    targets, paths = Targets(), []
    for step in steps:
        paths.append(targets.of(step.task, step.operation))
        targets.done(step.task, step.operation)
    return paths


def _keys_of(steps: Sequence[Step], paths: Sequence[tuple[str, ...]]) -> Iterator[tuple[object, ...]]:
    counts: Counter[tuple[object, ...]] = Counter()
    for step, names in zip(steps, paths, strict=True):
        what = step.task, type(step.operation), names
        counts[what] += 1
        yield (*what, counts[what])
