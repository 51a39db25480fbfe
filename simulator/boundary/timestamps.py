"""The times that a stat gives: numbers that tell when more is made of them than their order.

Exhaustive search goes through the orders in which things were changed. By how much one time is later than another can
depend on changes of files that nobody looks at, so it must know of code that may notice: that compares a time with its
own clock, or reckons or prints it. To compare the times of two stats tells their order only.

C code that takes such a number for an ordinary one (datetime, json, numpy) is not noticed.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isinf
from typing import Any, Final

from simulator.boundary.caller import current
from simulator.clock import EPOCH, SECOND
from simulator.filesystems.interface import Attributes

_RECKONING: Final = (
    "__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__", "__rtruediv__", "__floordiv__",
    "__rfloordiv__", "__mod__", "__rmod__", "__divmod__", "__rdivmod__", "__pow__", "__rpow__", "__and__", "__or__",
    "__xor__", "__lshift__", "__rshift__", "__neg__", "__pos__", "__abs__", "__int__", "__float__", "__index__",
    "__trunc__", "__floor__", "__ceil__", "__round__", "__repr__", "__str__", "__format__", "as_integer_ratio",
    "is_integer", "hex", "bit_length", "to_bytes", "conjugate",
)  # fmt: skip
_COMPARING: Final = ("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__")


class TimeInSeconds(float):
    """Seconds since the Unix epoch, as ``st_mtime``."""

    attributes: Attributes


class TimeInNanoseconds(int):
    """Nanoseconds since the Unix epoch, as ``st_mtime_ns``."""

    attributes: Attributes


Timestamp = TimeInSeconds | TimeInNanoseconds


def in_seconds(nanoseconds: int, attributes: Attributes) -> TimeInSeconds:
    """A time that a stat gave, the way CPython makes a float of it."""
    time = TimeInSeconds(nanoseconds // SECOND + 1e-9 * (nanoseconds % SECOND))
    time.attributes = attributes
    return time


def in_nanoseconds(nanoseconds: int, attributes: Attributes) -> TimeInNanoseconds:
    """A time that a stat gave."""
    time = TimeInNanoseconds(nanoseconds)
    time.attributes = attributes
    return time


def plain(number: Any) -> int:
    """A number as an ``int``; of a time that is passed on as it is, nobody is told."""
    return int.__int__(number) if isinstance(number, TimeInNanoseconds) else int(number)


def _tell(time: Any) -> None:
    caller = current()
    if caller is not None:
        caller.looked(time.attributes, "value")


def _reckoning(original: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, *arguments: Any) -> Any:
        _tell(self)
        return original(self, *arguments)

    return method


def _comparing(original: Callable[..., Any], epoch: int) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        # No time of a run is before the epoch, or infinite: how any time compares with such a number is certain.
        ordered = isinstance(other, TimeInSeconds | TimeInNanoseconds) or not isinstance(other, int | float)
        if not ordered and other >= epoch and not isinf(other):
            _tell(self)
        return original(self, other)

    return method


def _equip(kind: Any, number: Any, epoch: int) -> None:
    for name in _RECKONING:
        if hasattr(number, name):
            setattr(kind, name, _reckoning(getattr(number, name)))
    for name in _COMPARING:
        setattr(kind, name, _comparing(getattr(number, name), epoch))
    kind.__hash__ = number.__hash__
    kind.__copy__ = kind.__deepcopy__ = lambda self, *memory: self
    kind.__reduce_ex__ = lambda self, protocol: (number, (number(self),))


_equip(TimeInSeconds, float, EPOCH // SECOND)
_equip(TimeInNanoseconds, int, EPOCH)
