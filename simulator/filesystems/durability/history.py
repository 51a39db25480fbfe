"""The log as it has been so far: which of its records are about what, and which come before others."""

from __future__ import annotations

from collections.abc import Callable

from simulator.filesystems.durability.micro_operations import (
    AttributeChange,
    DataWrite,
    NameChange,
    Record,
    SizeChange,
    Sync,
)

Precedes = Callable[[Record, Record], bool]
"""Whether the first of two records, which came first in the log, comes first in every log of the same class."""


def members(of: int) -> list[int]:
    """The members of a set, the lowest first."""
    found = []
    while of:
        lowest = of & -of
        found.append(lowest.bit_length() - 1)
        of ^= lowest
    return found


class History:
    """Sets of records by what they are about. ``precedes`` is None where the log is the only one of its class."""

    def __init__(self, precedes: Precedes | None = None) -> None:
        self._precedes = precedes
        self.records: list[Record] = []
        self.names = 0
        self.syncs: list[int] = []
        self._names_of: dict[int, int] = {}
        self._entries_in: dict[int, int] = {}
        self._content_of: dict[int, int] = {}
        self._attributes_of: dict[int, int] = {}

    def add(self, record: Record) -> int:
        """Note one more record; gives its place."""
        index = len(self.records)
        self.records.append(record)
        what = record.what
        if isinstance(what, NameChange):
            self.names |= 1 << index
            for entry in what.entries:
                _add(self._entries_in, entry.directory, index)
                for inode in (entry.before, entry.after):
                    if inode is not None:
                        _add(self._names_of, inode, index)
        elif isinstance(what, DataWrite | SizeChange):
            _add(self._content_of, what.inode, index)
        elif isinstance(what, AttributeChange):
            _add(self._attributes_of, what.inode, index)
        elif isinstance(what, Sync):
            self.syncs.append(index)
        return index

    def names_of(self, inode: int) -> int:
        """Changes of names that lead to the inode, or led there."""
        return self._names_of.get(inode, 0)

    def entries_in(self, directory: int) -> int:
        """Changes of names in the directory."""
        return self._entries_in.get(directory, 0)

    def content_of(self, inode: int) -> int:
        """Data and sizes."""
        return self._content_of.get(inode, 0)

    def sizes_of(self, inode: int) -> int:
        """Sizes only."""
        return self._of_kind(self.content_of(inode), SizeChange)

    def data_of(self, inode: int) -> int:
        """Data only."""
        return self._of_kind(self.content_of(inode), DataWrite)

    def attributes_of(self, inode: int) -> int:
        """Changes of mode, owner or times."""
        return self._attributes_of.get(inode, 0)

    def metadata_of(self, inode: int) -> int:
        """All that changes the inode itself.

        Bytes that are overwritten in place do not: the modification time moves by ticks, so it need not have moved.
        """
        own = self.names_of(inode) | self.entries_in(inode) | self.attributes_of(inode)
        return own | self.sizes_of(inode)

    def before(self, of: int, index: int) -> int:
        """Those members that come before this record in all logs of the class."""
        of &= (1 << index) - 1
        if self._precedes is None:
            return of
        record = self.records[index]
        return sum(1 << other for other in members(of) if self._precedes(self.records[other], record))

    def comes_first(self, first: int, second: int) -> bool:
        """Whether a record comes before another in all logs of the class."""
        return bool(self.before(1 << first, second))

    def may_come_first(self, first: int, second: int) -> bool:
        """Whether a record comes before another in some log of the class."""
        if self._precedes is None or first <= second:
            return first < second
        return not self._precedes(self.records[second], self.records[first])

    def _of_kind(self, of: int, kind: type) -> int:
        return sum(1 << index for index in members(of) if isinstance(self.records[index].what, kind))


def _add(to: dict[int, int], inode: int, index: int) -> None:
    to[inode] = to.get(inode, 0) | 1 << index
