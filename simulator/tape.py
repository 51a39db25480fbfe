"""The tape: every nondeterministic decision of a run, as integers.

A choice is addressed by (kind, rank, n-th of that rank), and 0 always means what an undisturbed run would do: the same
task goes on, nothing fails, a lookup is fresh, a listing is in order of names. Only choices that are not 0 are stored,
so a tape is a sparse table; deleting an entry makes the run less disturbed and shifts no other choice. There is no
second source of randomness: recording, replay, minimising and every sampler work on tapes.

Kinds:

``schedule``  after the n-th step of this task, task ``value - 1`` goes on instead of the default (the same task if it
              can go on, else the next ready one in cyclic order). Address (-1, 0) is the choice of who starts.
``kill``      1: the rank dies instead of doing its n-th operation. 2: so do all ranks of its node.
``hang``      1: all ranks of the rank's node stop instead of doing its n-th operation, and do not die.
``power``     1: the power fails right after the n-th operation of the task (-1: before any), and takes what ``lost``
              says. A larger value stands for a random draw of what it takes, which is recorded as ``lost``.
``lost``      1: the n-th micro-operation of the rank since the disk was found was not durable when the power failed.
``end``       how many further steps the launcher lets the survivors of a kill make (rank -1, attempt).
``error``     k: the n-th operation of the rank fails by the k-th error rule of the fault budget.
``slow``      1: the rank's operations take longer, by the factor of the fault budget (n is 0).
``listing``   k-th other order of a directory scan's result.
``skew``      the node's clock differs (rank is the node here): n = 0 by a constant, n = 1 by a drift. 1, 2, 3, 4, ...
              are +1, -1, +2, -2, ... steps towards the bound of the fault budget (``clock.node_clock``).
``tie``       1: this change gets the same modification time as the change before it.

Attempts of a job (restarts) have tapes of their own: the address is prefixed with the attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

Address: TypeAlias = tuple[int, str, int, int]
"""(attempt, kind, rank or task, n)."""


class Tape(msgspec.Struct, frozen=True):
    """A finished recording: the choices that were not 0. Equal tapes give equal runs."""

    choices: Mapping[Address, int] = {}

    def __len__(self) -> int:
        return len(self.choices)

    def get(self, attempt: int, kind: str, rank: int, n: int) -> int:
        """The choice at an address; 0 where nothing was recorded."""
        return self.choices.get((attempt, kind, rank, n), 0)

    def without(self, *addresses: Address) -> Tape:
        """The same tape with some choices undone."""
        return Tape({a: v for a, v in self.choices.items() if a not in addresses})

    def entries(self) -> list[tuple[int, str, int, int, int]]:
        """The choices as sorted rows (attempt, kind, rank, n, value): the form that trace files keep."""
        return sorted((*address, value) for address, value in self.choices.items())

    @classmethod
    def of_entries(cls, entries: list[tuple[int, str, int, int, int]]) -> Tape:
        """Inverse of ``entries``."""
        return cls({(attempt, kind, rank, n): value for attempt, kind, rank, n, value in entries})
