"""Replay: the schedule of a tape, or a strict sequence of tasks whose first divergence is named."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.errors import Divergence
from simulator.run import Frontier
from simulator.tape import Tape
from simulator.trace import AttemptTrace, Trace


class TapeReplay:
    """Follows a tape. A choice that names a task which is not ready falls back to the default: shrunk tapes run."""

    def __init__(self, tape: Tape) -> None:
        self._choices = tape.choices
        self._attempt = 0

    def begin(self, attempt: int) -> None:
        """Start at the beginning of the attempt's part of the tape."""
        self._attempt = attempt

    def choose(self, frontier: Frontier, last: int) -> int:
        """The recorded task, or the default."""
        position = frontier.position(last) if last >= 0 else 0
        task = self._choices.get((self._attempt, "schedule", last, position), 0) - 1
        return task if task in frontier.pending else frontier.default(last)


class StrictReplay:
    """Follows the steps of a recording, whatever a tape would say, and stops at the first that cannot come next.

    A grant that led to a death left no step: the recording says how many steps there were when it struck, its tape
    whom. A grant that a file lock turned down left none either, and is not needed.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._order: Sequence[int] = ()
        self._deaths: frozenset[int] = frozenset()
        self._doomed: Sequence[tuple[int, int]] = ()

    def begin(self, attempt: int) -> None:
        """Start at the beginning of the attempt's recording."""
        attempts = self._trace.attempts
        recorded = attempts[attempt] if attempt < len(attempts) else AttemptTrace([])
        self._order = [event.task for event in recorded.events]
        self._deaths = frozenset(position for position, text in recorded.faults if " fails with " not in text)
        choices = self._trace.choices().choices
        self._doomed = [(task, n) for where, kind, task, n in choices if (where, kind) == (attempt, "kill")]

    def choose(self, frontier: Frontier, last: int) -> int:
        """Who did the next step; behind the end of the recording, the default. Raises Divergence if it is not ready."""
        position = len(frontier.steps)
        if position in self._deaths:
            for task, n in self._doomed:
                if task in frontier.pending and sum(step.task == task for step in frontier.steps) == n:
                    return task
        if position >= len(self._order):
            return frontier.default(last)
        task = self._order[position]
        if task not in frontier.pending:
            raise Divergence(
                f"step {position}: the recording has task {task} go on, but it cannot: ready are {list(frontier.ready)}"
            )
        return task
