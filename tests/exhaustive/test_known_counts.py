"""Published numbers of classes of interleavings, exactly, and no run for nothing.

They are those of the benchmarks of Nidhugg and Concuerror, of dscheck, and closed forms (one schedule for each
Mazurkiewicz trace under sequential consistency).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import factorial
from typing import Any

import pytest

import simulator
from tests.exhaustive import registers

_MOST = 10_000
_FAST = 500


def _table() -> Iterator[tuple[Callable[[int], registers.Programs], int, int]]:
    for count in range(1, 14):
        yield registers.readers, count, 2**count
    yield registers.last_zero, 1, 2
    for count in range(2, 12):
        yield registers.last_zero, count, (count + 3) * 2 ** (count - 2)
    for count in range(2, 5):
        yield registers.racy_counter, count, factorial(count) ** 2
        yield registers.lock_step, count, factorial(count)
    for count in range(2, 8):
        yield registers.last_write, count, factorial(count)
        yield registers.writers_and_a_reader, count, factorial(count + 1)
    yield registers.store_buffering, 2, 3
    for count in range(2, 5):
        yield registers.private_writes, count, 1


def _cases() -> Iterator[Any]:
    for program, count, expected in _table():
        if expected < _MOST:
            marks = [pytest.mark.slow] if expected > _FAST else []
            yield pytest.param(program, count, expected, id=f"{program.__name__}-{count}", marks=marks)


@pytest.mark.parametrize(("program", "count", "expected"), list(_cases()))
def test_a_program_has_its_known_number_of_classes_and_none_is_run_twice(
    program: Callable[[int], registers.Programs], count: int, expected: int
) -> None:
    result = simulator.certify(program(count))
    assert (result.verdict, result.classes, result.blocked, result.schedules) == ("certified", expected, 0, expected)
