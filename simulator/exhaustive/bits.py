"""Sets of positions as the bits of an integer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def positions_in(bits: int) -> Iterator[int]:
    """The members of a set in ascending order."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def set_of(positions: Iterable[int]) -> int:
    """The set of these positions."""
    bits = 0
    for position in positions:
        bits |= 1 << position
    return bits
