"""The races of a recorded run: pairs of conflicting operations whose order nothing decided but the schedule.

A pair is given when the two touch the same thing, one of them changes it, and neither the order of a task's own
operations, nor a collective, nor a pair between them puts the first before the second. Whether the other order is
possible, and whether it is harmful, only a run in which it is taken can say.
"""

from __future__ import annotations

import msgspec

from simulator.campaigns.explanation.recording import in_words, keys_of
from simulator.campaigns.replay.reenacting import reenact
from simulator.campaigns.trust import NO_TRUST, Trust
from simulator.happens_before import HappensBefore, conflicting, is_scheduled
from simulator.operations import Thing
from simulator.scenario import from_table
from simulator.trace import Trace

_FACETS = {
    ":data": "the bytes of a file",
    ":attributes": "a mode, an owner, or that a directory is there",
    ":links": "a link count",
    ":listing": "the names in a directory",
    ":mtime": "the order of modification times",
    ":ctime": "the order of change times",
    ":lock": "a lock",
    ":changes": "the time between changes",
}


class Side(msgspec.Struct, frozen=True):
    """One operation of a pair: the ``n``-th of its ``task``, at ``position`` in the events of its attempt."""

    position: int
    rank: int
    task: int
    n: int
    operation: str
    """Its kind and its paths."""
    site: str | None = None
    """``file:line`` of the code under test, where it was recorded."""


class Race(msgspec.Struct, frozen=True):
    """``first`` came before ``second`` in this attempt; ``about`` says what they both touch."""

    attempt: int
    first: Side
    second: Side
    about: str


def races_of(trace: Trace, *, trust: Trust = NO_TRUST) -> list[Race]:
    """The races of a recorded run, in the order of their second operations.

    A trace of an unmodified program is carried out on the model; any other needs the code under test, which is run
    again. Raises what ``reenact`` does.
    """
    return [race for attempt, again in enumerate(reenact(trace, trust=trust)) for race in _races(attempt, again.order)]


def missing_from(trace: Trace) -> str | None:
    """Why races may be missing, in a sentence: the recording stops before the ranks had done all; None where not.

    A rank that failed would have gone on, too. Where a job hangs, or was ended by the launcher after a fault, nothing
    would have come later.
    """
    cluster, last = from_table(trace.scenario, "the trace's scenario").cluster, trace.attempts[-1:]
    if not last or sum(ending == "returned" for ending in last[0].endings.values()) >= cluster.world_size:
        return None
    if trace.verdict is None:
        if last[0].faults:
            return None
        return "The recorded run was broken off before its ranks had ended: what would have come later is not in it."
    if trace.verdict.invariant == "no-hang":
        return None
    invariant = trace.verdict.invariant
    return f"The recorded run ended at its violation of {invariant}: what would have come later is not in it."


def _races(attempt: int, order: HappensBefore) -> list[Race]:
    steps, keys = order.steps, keys_of(order.steps)

    def side(position: int) -> Side:
        step = steps[position]
        words = in_words(msgspec.structs.replace(step, site=None), keys[position])
        return Side(position, step.rank, step.task, step.n, words, step.site)

    found = []
    for first, second in sorted(order.races(), key=lambda pair: (pair[1], pair[0])):
        if steps[first].task == steps[second].task:
            continue
        if is_scheduled(steps[first]) and is_scheduled(steps[second]):
            thing = conflicting(order.touched[first], order.touched[second])
            found.append(Race(attempt, side(first), side(second), _named(thing)))
    return found


def _named(thing: Thing | None) -> str:
    if thing is None:
        return "a time that somebody looks at"
    facet = thing[1]
    return f"the name {facet[1:]}" if facet.startswith("/") else _FACETS.get(facet, facet.removeprefix(":"))
