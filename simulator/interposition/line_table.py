"""Which line an instruction belongs to, by the table that CPython 3.11 and newer keep in ``co_linetable``.

CPython's ``InternalDocs/code_objects.md`` gives the format: entries for runs of instructions, each a head, whose lower
bits are the length and the form of the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

_NO_LINE: Final = 15
_ALL: Final = 14
_NO_COLUMNS: Final = 13
_FIRST_WITH_LINE: Final = 10
_UNIT: Final = 2
"""Bytes of an instruction."""


@lru_cache(maxsize=1 << 12)
def line_at(table: bytes, first: int, offset: int) -> int | None:
    """The line of the instruction at a byte offset of code that begins in line ``first``; None where it has none."""
    line, end = first, 0
    rest = iter(table)
    for head in rest:
        form = head >> 3 & 15
        if form in (_ALL, _NO_COLUMNS):
            line += _signed(rest)
        elif _FIRST_WITH_LINE <= form < _NO_COLUMNS:
            line += form - _FIRST_WITH_LINE
        end += ((head & 7) + 1) * _UNIT
        if offset < end:
            return None if form == _NO_LINE or offset < 0 else line
        if form == _ALL:
            for _ in range(3):
                _number(rest)
        elif form < _FIRST_WITH_LINE:
            next(rest, None)
        elif form < _NO_COLUMNS:
            next(rest, None)
            next(rest, None)
    return None


def _number(rest: Iterator[int]) -> int:
    value = shift = 0
    for part in rest:
        value |= (part & 63) << shift
        shift += 6
        if not part & 64:
            break
    return value


def _signed(rest: Iterator[int]) -> int:
    value = _number(rest)
    return -(value >> 1) if value & 1 else value >> 1
