"""The choices that a file system offers in the course of an attempt: answered by the tape, or drawn and recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from simulator.engines.interface import Step
from simulator.filesystems.views.layers import GROUPS
from simulator.tape import Address

Draw = Callable[[Address, int], int]
"""(address, options): a value from 0 to ``options - 1``."""


class Answers:
    """What the file system of one attempt asks; does nothing where it has no choices.

    ``given`` are the answers that were not 0: (task, n, what that means). How many there may be of each group is the
    file system's bound.
    """

    def __init__(
        self,
        filesystem: Any,
        engine: Any,
        attempt: int,
        planned: Mapping[Address, int],
        record: dict[Address, int],
        draw: Draw | None = None,
    ) -> None:
        self._attempt = attempt
        self._planned = planned
        self._record = record
        self._draw = draw
        self._bounds: Mapping[str, int | None] = getattr(filesystem, "bounds", {})
        self._used: dict[str, int] = {}
        self.given: list[tuple[int, int, str]] = []
        if self._bounds:
            filesystem.begin(self, getattr(engine, "acting", None))

    def __call__(self, kind: str, task: int, n: int, options: int, text: str) -> int:
        """See ``filesystems.views.layers.Choose``."""
        address = (self._attempt, kind, task, n)
        planned = self._planned.get(address, 0)
        if not planned and self._draw is None:
            return 0
        group = GROUPS[kind]
        bound, used = self._bounds.get(group), self._used.get(group, 0)
        if bound is not None and used >= bound:
            return 0
        value = min(planned, options - 1) if self._draw is None else self._draw(address, options)
        if value:
            self._used[group] = used + 1
            self._record[address] = value
            self.given.append((task, n, text))
        return value

    def among(self, struck: Sequence[tuple[int, str]], steps: Sequence[Step]) -> list[tuple[int, str]]:
        """The faults that struck, and these answers, in the order of the steps that they belong to."""
        if not self.given:
            return list(struck)
        places = {(step.task, step.n): position for position, step in enumerate(steps)}
        given = [(places.get((task, n), len(steps)), text) for task, n, text in self.given]
        return sorted([*struck, *given], key=lambda each: each[0])
