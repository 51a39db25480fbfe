"""Replay: the schedule of a tape, or a strict sequence of tasks whose first divergence is named."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.errors import Divergence
from simulator.operations import Lock
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
    """Follows the steps of a recording, and stops at the first that cannot come next.

    Two kinds of grants leave no step: one to a task that was struck before it did anything, and one that a file lock
    turned down. The recording's tape has both, and counts them in the addresses of its other choices.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._tape = TapeReplay(trace.choices())
        self._order: Sequence[int] = ()
        self._struck: frozenset[int] = frozenset()

    def begin(self, attempt: int) -> None:
        """Start at the beginning of the attempt's recording."""
        attempts = self._trace.attempts
        recorded = attempts[attempt] if attempt < len(attempts) else AttemptTrace([])
        self._tape.begin(attempt)
        self._order = [event.task for event in recorded.events]
        self._struck = frozenset(position for position, _ in recorded.faults)

    def choose(self, frontier: Frontier, last: int) -> int:
        """Who did the next step, or left none before it. Raises Divergence if that task is not ready."""
        position = len(frontier.steps)
        granted = self._tape.choose(frontier, last)
        if position >= len(self._order) or position in self._struck or isinstance(frontier.pending[granted], Lock):
            return granted
        task = self._order[position]
        if task not in frontier.pending:
            raise Divergence(
                f"step {position}: the recording has task {task} go on, but it cannot: ready are {list(frontier.ready)}"
            )
        return task
