"""What a file system answers where it has a choice, drawn while the run goes on: 0 is what an undisturbed run sees.

As with switches, a draw says after how many questions the next other answer comes, so that Hypothesis shrinks to the
fewest. Here distances have to do, since what a file system will be asked is not known before.
"""

from __future__ import annotations

from collections.abc import Callable

from simulator.tape import Address

Number = Callable[[int], int]
"""Draws a number from 0 to its argument."""

_CLOSE = 2
"""The longest distance where answers come close together: what asks again and again is told the same for long."""


class DrawnAnswers:
    """One instance a run. ``questions`` is how many an undisturbed run asks. Implements ``engines.answers.Draw``."""

    def __init__(self, number: Number, questions: int) -> None:
        self._number = number
        self._farthest = (questions, _CLOSE)[number(1)]
        self._left = number(self._farthest)

    def __call__(self, address: Address, options: int) -> int:
        """0, or when the distance is covered one of the others."""
        if not self._left:
            return 0
        self._left -= 1
        if self._left:
            return 0
        answer = 1 + self._number(options - 2)
        self._left = self._number(self._farthest)
        return answer


class Counted:
    """Answers as an undisturbed run is answered, and counts the questions."""

    def __init__(self) -> None:
        self.questions = 0

    def __call__(self, address: Address, options: int) -> int:
        """0."""
        self.questions += 1
        return 0
