"""Errors that are injected: which operations of a run could fail by the rules of the fault budget, and which do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from simulator.faults import ErrorRule
from simulator.operations import Operation

Address: TypeAlias = tuple[int, int, int]
"""(number of the rule, rank, how many of the rank's operations have matched it before)."""

Plan: TypeAlias = frozenset[Address]
"""Where errors strike."""


class Injections:
    """What an engine asks before each operation.

    ``matched`` are the addresses of the present run; ``struck`` those where an error struck, with the step: (task, n).
    """

    def __init__(self, rules: Sequence[ErrorRule], plan: Plan, world_size: int) -> None:
        self._rules = rules
        self._world_size = world_size
        self._counts: dict[tuple[int, int], int] = {}
        self.plan = plan
        self.matched: set[Address] = set()
        self.struck: dict[Address, tuple[int, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._rules)

    def begin(self) -> None:
        """A run begins."""
        self._counts.clear()
        self.matched.clear()
        self.struck.clear()

    def __call__(self, task: int, n: int, operation: Operation) -> OSError | None:
        rank = task % self._world_size
        for number, rule in enumerate(self._rules):
            if rule.matches(operation):
                count = self._counts.get((number, rank), 0)
                self._counts[number, rank] = count + 1
                address = (number, rank, count)
                self.matched.add(address)
                if address in self.plan:
                    self.struck[address] = (task, n)
                    return OSError(rule.number(), rule.errno)
        return None

    def further(self, left: Sequence[int]) -> list[Plan]:
        """The plans with one error more that the present run suggests, within how often each rule may strike."""
        found = []
        for address in sorted(self.matched - self.plan):
            used = sum(1 for rule, _, _ in self.plan if rule == address[0])
            if used < left[address[0]]:
                found.append(self.plan | {address})
        return found
