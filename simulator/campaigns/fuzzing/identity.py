"""Names of operations and of ordered pairs of them that mean the same in every run, process and session.

What an operation is known by is its kind, its paths, how many collectives its task was in before, and its rank: not its
position, nor an inode, which differ from schedule to schedule. Names are 64-bit hashes, since a scenario has thousands
of pairs, and they travel with every batch of runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from simulator.campaigns.explanation.recording import Key, keys_of
from simulator.engines.interface import Step

_ODD = 0x9E3779B97F4A7C15
_BITS = (1 << 64) - 1


class Identities:
    """Gives operations their names; remembers them, since every run has the same ones."""

    def __init__(self) -> None:
        self._known: dict[tuple[Key, int], int] = {}

    def of(self, steps: Sequence[Step]) -> list[int]:
        """The names of the steps of an attempt."""
        known, names = self._known, []
        for step, key in zip(steps, keys_of(steps), strict=True):
            name = known.get((key, step.rank))
            if name is None:
                kind, paths, met = key
                name = known[key, step.rank] = named(kind.__name__, paths, met, step.rank)
            names.append(name)
        return names


def named(*parts: object) -> int:
    """The name of what these parts say, which must be plain values."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest(), "little")


def pair_of(first: int, second: int) -> int:
    """The name of a pair in this order; the other order has another one."""
    return (first * _ODD & _BITS) ^ second
