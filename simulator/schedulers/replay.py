"""Replay: the schedule of a tape, or a strict sequence of tasks whose first divergence is named."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.errors import Divergence
from simulator.run import Frontier, default_task
from simulator.tape import Tape


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
        return task if task in frontier.pending else default_task(frontier.ready, last)


class StrictReplay:
    """Follows a sequence of tasks step by step and stops at the first that cannot be followed."""

    def __init__(self, attempts: Sequence[Sequence[int]]) -> None:
        self._attempts = attempts
        self._sequence: Sequence[int] = ()
        self._position = 0

    def begin(self, attempt: int) -> None:
        """Start at the beginning of the attempt's sequence."""
        self._sequence = self._attempts[attempt] if attempt < len(self._attempts) else ()
        self._position = 0

    def choose(self, frontier: Frontier, last: int) -> int:
        """The next task of the sequence. Raises Divergence when it is not ready."""
        position = self._position
        if position >= len(self._sequence):
            return default_task(frontier.ready, last)
        task = self._sequence[position]
        if task not in frontier.pending:
            raise Divergence(
                f"step {position}: the recording has task {task} go on, but it cannot: ready are {list(frontier.ready)}"
            )
        self._position = position + 1
        return task
