"""A recorded run in the Trace Event Format, which Perfetto and Chrome's tracing page read.

Nodes are processes, ranks and their background tasks are threads. An operation is a complete event, a fault or the
verdict an instant, and arrows lead from the rank that a collective waited for to the others, and from one operation of
a conflicting pair to the next. Times are microseconds of virtual time; where nothing takes any, an operation takes one
millisecond and they come one after the other, as the schedule had them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from simulator.campaigns.replay.reenacting import Reenacted
from simulator.happens_before import is_scheduled
from simulator.narration import Narrator
from simulator.reports.reason import reason_of
from simulator.reports.timeline import node_of, ranks_of
from simulator.trace import AttemptTrace, Trace

_STEP = 1_000.0
"""Microseconds of an operation where nothing takes time."""
_SHORTEST = 0.001
"""Microseconds of the shortest slice: viewers drop empty ones, and the arrows that end at them."""


class Slice(msgspec.Struct, frozen=True):
    """When an event was, in microseconds, and on which track."""

    node: int
    task: int
    start: float
    duration: float

    @property
    def effect(self) -> float:
        """When it took effect: at its very end, still within it."""
        return self.start + self.duration - _SHORTEST / 2


def perfetto(trace: Trace, attempts: Sequence[Reenacted] | None = None) -> dict[str, Any]:
    """The run as one JSON document.

    ``attempts`` are the same run, re-enacted; without, neither conflicts nor times are known.
    """
    events = list(_tracks(trace))
    arrows = 0
    start = 0.0
    costs = attempts is not None and any(again.moments for again in attempts)
    for number, attempt in enumerate(trace.attempts):
        again = attempts[number] if attempts is not None else None
        slices = _slices(trace, attempt, again, start, costs=costs)
        start = max((one.start + one.duration for one in slices), default=start)
        events += _operations(trace, number, attempt, slices)
        events += _instants(trace, number, attempt, slices, start)
        pairs = [("collective", *pair) for pair in _collectives(attempt, slices)]
        if again is not None:
            pairs += [("conflict", *pair) for pair in _conflicts(again)]
        for kind, first, second in pairs:
            # With costs, a schedule may let an operation come first that ends later: an arrow does not point back.
            if slices[first].effect <= slices[second].effect:
                arrows += 1
                events += _arrow(kind, arrows, slices[first], slices[second])
    meta, timed = [e for e in events if e["ph"] == "M"], [e for e in events if e["ph"] != "M"]
    verdict = trace.verdict
    return {
        "traceEvents": meta + sorted(timed, key=lambda event: event["ts"]),
        "displayTimeUnit": "ms",
        "otherData": {
            "verdict": "clean" if verdict is None else f"{verdict.invariant}: {verdict.message}",
            "time": "virtual" if costs else "one millisecond an operation",
            "digest": trace.digest,
        },
    }


def _tracks(trace: Trace) -> Iterator[dict[str, Any]]:
    ranks = ranks_of(trace)
    tasks = {event.task: event.rank for attempt in trace.attempts for event in attempt.events}
    for rank in ranks:
        tasks.setdefault(rank, rank)
    for node in sorted({node_of(trace, rank) for rank in ranks}):
        yield _meta("process_name", node, 0, name=f"node {node}")
        yield _meta("process_sort_index", node, 0, sort_index=node)
    for task, rank in sorted(tasks.items()):
        name = f"rank {rank}" if task == rank else f"rank {rank}, background task {task}"
        yield _meta("thread_name", node_of(trace, rank), task, name=name)
        yield _meta("thread_sort_index", node_of(trace, rank), task, sort_index=rank * len(tasks) + task)


def _meta(what: str, pid: int, tid: int, **arguments: Any) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": arguments}


def _slices(trace: Trace, attempt: AttemptTrace, again: Reenacted | None, start: float, *, costs: bool) -> list[Slice]:
    """When each event of an attempt was. ``start`` is when the attempt begins."""
    free: dict[int, float] = {}
    """When each task has done all before."""
    slices: list[Slice] = []
    ends = _ends_of_meetings(attempt)
    for position, event in enumerate(attempt.events):
        since = free.get(event.task, start)
        if costs:
            assert again is not None
            began, took = again.moments.get((event.task, event.n), (None, 0))
            begin = since if began is None else max(since, began / 1_000)
            end = begin + took / 1_000
        elif position in ends:
            # From its arrival on, a rank is in the collective.
            begin, end = since, start + _STEP * (ends[position] + 1)
        else:
            begin = start + _STEP * position
            end = begin + _STEP
        slices.append(Slice(node_of(trace, event.rank), event.task, begin, max(end - begin, _SHORTEST)))
        free[event.task] = begin + slices[-1].duration
    return slices


def _meetings(attempt: AttemptTrace) -> Iterator[list[int]]:
    """The positions of the events of each collective, which follow each other."""
    together: list[int] = []
    seen: set[int] = set()
    for position, event in enumerate([*attempt.events, None]):
        first = attempt.events[together[0]] if together else None
        same = (
            event is not None
            and first is not None
            and event.kind == "collective"
            and event.arguments[:3] == first.arguments[:3]
            and event.task not in seen
        )
        if together and not same:
            yield together
            together, seen = [], set()
        if event is not None and event.kind == "collective":
            together.append(position)
            seen.add(event.task)


def _ends_of_meetings(attempt: AttemptTrace) -> dict[int, int]:
    """For each event of a collective the position of its last one."""
    return {position: together[-1] for together in _meetings(attempt) for position in together}


def _collectives(attempt: AttemptTrace, slices: Sequence[Slice]) -> Iterator[tuple[int, int]]:
    """From the rank that came last, or the source of a broadcast, to each of the others; to the one that gathers."""
    for members in _participants(attempt):
        name, *others_said = attempt.events[members[0]].arguments
        one = others_said[3] if len(others_said) > 3 else 0
        center = max(members, key=lambda position: (slices[position].start, position))
        if name in ("broadcast", "gather"):
            own = [position for position in members if attempt.events[position].rank == one]
            if not own:
                continue  # The run ended before.
            (center,) = own
        others = (position for position in members if position != center)
        yield from ((position, center) if name == "gather" else (center, position) for position in others)


def _participants(attempt: AttemptTrace) -> Iterator[list[int]]:
    """The positions of the events of each collective, wherever they are: the ranks' n-th ones on a communicator."""
    counts: Counter[tuple[Any, ...]] = Counter()
    found: dict[tuple[Any, ...], list[int]] = {}
    for position, event in enumerate(attempt.events):
        if event.kind == "collective":
            communicator = str(event.arguments[1:3])
            found.setdefault((communicator, counts[communicator, event.rank]), []).append(position)
            counts[communicator, event.rank] += 1
    yield from found.values()


def _conflicts(again: Reenacted) -> Iterator[tuple[int, int]]:
    """Pairs of operations whose order the schedule decided."""
    steps = again.order.steps
    for first, second in again.order.races():
        if is_scheduled(steps[first]) and is_scheduled(steps[second]):
            yield first, second


def _operations(trace: Trace, number: int, attempt: AttemptTrace, slices: Sequence[Slice]) -> Iterator[dict[str, Any]]:
    narrator, marks = Narrator(), reason_of(trace).marks
    for position, (event, one) in enumerate(zip(attempt.events, slices, strict=True)):
        phrase = narrator.tell(event)
        details = {
            "attempt": number,
            "n": event.n,
            "detail": phrase.detail,
            "outcome": phrase.outcome,
            "at": event.site,
            "mark": marks.get((number, position), ""),
        }
        yield {
            "ph": "X",
            "name": " ".join([phrase.call, " → ".join(phrase.paths)]).strip(),
            "cat": "collective" if event.kind == "collective" else "refused" if phrase.refused else "operation",
            "pid": one.node,
            "tid": one.task,
            "ts": one.start,
            "dur": one.duration,
            "args": {key: value for key, value in details.items() if value not in ("", None)},
        }


def _instants(
    trace: Trace, number: int, attempt: AttemptTrace, slices: Sequence[Slice], end: float
) -> Iterator[dict[str, Any]]:
    for position, said in attempt.faults:
        moment = slices[position - 1].effect if 0 < position <= len(slices) else slices[0].start if slices else end
        yield {"ph": "i", "s": "g", "name": said, "cat": "fault", "pid": 0, "tid": 0, "ts": moment}
    verdict = trace.verdict
    if verdict is not None and number == len(trace.attempts) - 1:
        said = f"{verdict.invariant}: {verdict.message}"
        yield {"ph": "i", "s": "g", "name": said, "cat": "verdict", "pid": 0, "tid": 0, "ts": end}


def _arrow(kind: str, identity: int, source: Slice, target: Slice) -> Iterator[dict[str, Any]]:
    common = {"name": kind, "cat": kind, "id": identity}
    yield {"ph": "s", **common, "pid": source.node, "tid": source.task, "ts": source.effect}
    yield {"ph": "f", "bp": "e", **common, "pid": target.node, "tid": target.task, "ts": target.effect}
