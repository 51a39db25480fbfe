"""What stat gives: like ``os.stat_result``, which cannot be subclassed, but it knows what was looked at.

It is a class of its own that passes for the other one in ``isinstance``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from simulator.boundary.caller import Caller
from simulator.boundary.timestamps import in_nanoseconds, in_seconds
from simulator.filesystems.interface import Attributes

BLOCK_SIZE = 4096
_SECOND = 1_000_000_000
_LINKS, _ACCESSED, _MODIFIED, _CHANGED = 3, 7, 8, 9


class StatResult:
    """The result of a stat. Reading a time or the number of links tells the caller that it was looked at."""

    __slots__ = ("_attributes", "_caller")

    n_fields = os.stat_result.n_fields
    n_sequence_fields = os.stat_result.n_sequence_fields
    n_unnamed_fields = os.stat_result.n_unnamed_fields
    __match_args__ = os.stat_result.__match_args__

    def __init__(self, attributes: Attributes, caller: Caller) -> None:
        self._attributes = attributes
        self._caller = caller

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return os.stat_result

    @property
    def st_mode(self) -> int:
        return self._attributes.mode

    @property
    def st_ino(self) -> int:
        return self._attributes.inode

    @property
    def st_dev(self) -> int:
        return self._attributes.device

    @property
    def st_nlink(self) -> int:
        attributes = self._attributes
        self._caller.looked(attributes, "links")
        return attributes.links

    @property
    def st_uid(self) -> int:
        return self._attributes.uid

    @property
    def st_gid(self) -> int:
        return self._attributes.gid

    @property
    def st_size(self) -> int:
        return self._attributes.size

    @property
    def st_atime(self) -> float:
        return in_seconds(self._accessed(), self._attributes)

    @property
    def st_mtime(self) -> float:
        return in_seconds(self._modified(), self._attributes)

    @property
    def st_ctime(self) -> float:
        return in_seconds(self._changed(), self._attributes)

    @property
    def st_atime_ns(self) -> int:
        return in_nanoseconds(self._accessed(), self._attributes)

    @property
    def st_mtime_ns(self) -> int:
        return in_nanoseconds(self._modified(), self._attributes)

    @property
    def st_ctime_ns(self) -> int:
        return in_nanoseconds(self._changed(), self._attributes)

    @property
    def st_blksize(self) -> int:
        return BLOCK_SIZE

    @property
    def st_blocks(self) -> int:
        return -(-self._attributes.size // BLOCK_SIZE) * (BLOCK_SIZE // 512)

    @property
    def st_rdev(self) -> int:
        return 0

    def __len__(self) -> int:
        return self.n_sequence_fields

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self._field(number) for number in range(*index.indices(len(self))))
        number = range(len(self))[index] if -len(self) <= index < len(self) else len(self)
        if number == len(self):
            raise IndexError("tuple index out of range")
        return self._field(number)

    def __iter__(self) -> Iterator[int]:
        return iter(self[:])

    def __contains__(self, value: object) -> bool:
        return value in self[:]

    def __eq__(self, other: object) -> bool:
        return bool(self[:] == _as_tuple(other))

    def __lt__(self, other: object) -> bool:
        return bool(self[:] < _as_tuple(other))

    def __le__(self, other: object) -> bool:
        return bool(self[:] <= _as_tuple(other))

    def __gt__(self, other: object) -> bool:
        return bool(self[:] > _as_tuple(other))

    def __ge__(self, other: object) -> bool:
        return bool(self[:] >= _as_tuple(other))

    def __hash__(self) -> int:
        return hash(self[:])

    def __add__(self, other: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(self[:]) + other

    def __reduce__(self) -> tuple[Any, ...]:
        exact = ("st_atime", "st_mtime", "st_ctime", "st_atime_ns", "st_mtime_ns", "st_ctime_ns", "st_blksize",
                 "st_blocks", "st_rdev")  # fmt: skip
        return os.stat_result, (self[:], {name: getattr(self, name) for name in exact})

    def __repr__(self) -> str:
        return repr(os.stat_result(self[:]))

    def count(self, value: object) -> int:
        """How often a value occurs among the ten fields."""
        return int(self[:].count(value))

    def index(self, value: object, *bounds: int) -> int:
        """Where a value first occurs among the ten fields. Raises ValueError."""
        return int(self[:].index(value, *bounds))

    def _field(self, number: int) -> int:
        attributes = self._attributes
        if number == _LINKS:
            return self.st_nlink
        if number in (_ACCESSED, _MODIFIED, _CHANGED):
            # Whether two times are in the same second depends on more than their order.
            self._caller.looked(attributes, "value")
            return {_ACCESSED: self._accessed, _MODIFIED: self._modified, _CHANGED: self._changed}[number]() // _SECOND
        return (
            attributes.mode, attributes.inode, attributes.device, 0, attributes.uid, attributes.gid, attributes.size,
        )[number]  # fmt: skip

    def _accessed(self) -> int:
        # Only utime moves it, and the modification time with it.
        self._caller.looked(self._attributes, "mtime")
        return self._attributes.accessed

    def _modified(self) -> int:
        self._caller.looked(self._attributes, "mtime")
        return self._attributes.modified

    def _changed(self) -> int:
        self._caller.looked(self._attributes, "ctime")
        return self._attributes.changed


def _as_tuple(other: object) -> Any:
    return other[:] if isinstance(other, StatResult) else other
