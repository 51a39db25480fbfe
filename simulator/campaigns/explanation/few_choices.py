"""Goes through the schedules that leave the undisturbed one at few points, systematically.

Iterative context bounding (Musuvathi and Qadeer, PLDI 2007): all schedules with no choice, then those with one, then
those with two. A point is where more than one task could go on.
"""

from __future__ import annotations

from itertools import accumulate, chain, pairwise

import msgspec

from simulator.run import Frontier, Run
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Address, Tape

Choice = tuple[Address, int]
"""An address of the tape and its value."""


class Departure(msgspec.Struct, frozen=True):
    """A choice that could be made where the default was taken, and what a run that makes it has at the least."""

    choice: Choice
    switches: int
    operations: int


class Noting:
    """A scheduler that replays a tape and notes where it could have gone elsewhere though the tape does not say so.

    That is behind the last choice of the tape, or ``everywhere``.
    """

    def __init__(self, tape: Tape, everywhere: bool = False) -> None:
        self._replay = TapeReplay(tape)
        self._left = 0 if everywhere else sum(1 for address in tape.choices if address[1] == "schedule")
        self._attempt = 0
        self._points: list[tuple[int, int, Address, list[int]]] = []

    def begin(self, attempt: int) -> None:
        """Start at the beginning of the attempt's part of the tape."""
        self._attempt = attempt
        self._replay.begin(attempt)

    def choose(self, frontier: Frontier, last: int) -> int:
        """As the tape says."""
        task = self._replay.choose(frontier, last)
        if task != frontier.default(last):
            self._left -= 1
        elif self._left <= 0 and len(frontier.ready) > 1:
            address = (self._attempt, "schedule", last, frontier.position(last) if last >= 0 else 0)
            others = [other for other in frontier.ready if other != task]
            self._points.append((self._attempt, len(frontier.steps), address, others))
        return task

    def departures(self, run: Run) -> list[Departure]:
        """Each further choice that the run, which this scheduler made, could have made."""
        found = []
        done, passed = 0, 0
        for number, record in enumerate(run.attempts):
            tasks = [step.task for step in record.steps]
            switched = list(accumulate(chain([0, 0], (a != b for a, b in pairwise(tasks)))))
            for attempt, position, address, others in self._points:
                if attempt != number:
                    continue
                for task in others:
                    switches = passed + switched[position] + (position > 0 and tasks[position - 1] != task)
                    found.append(Departure((address, task + 1), switches, done + position + 1))
            done, passed = done + len(tasks), passed + switched[-1]
        return found
