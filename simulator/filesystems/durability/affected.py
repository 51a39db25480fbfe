"""Which micro-operations make a difference to somebody, told by what has been looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from simulator.filesystems.durability.micro_operations import (
    AttributeChange,
    DataWrite,
    MicroOperation,
    NameChange,
    SizeChange,
)
from simulator.filesystems.durability.ordering import Ordering
from simulator.operations import Thing, attributes, change_time, data, links, listing, modification_time, name_in


class Affected:
    """The things that each micro-operation of an ordering changes; follows the ordering as it grows."""

    def __init__(self, ordering: Ordering) -> None:
        self._ordering = ordering
        self._seen = 0
        self._changes: dict[Thing, int] = {}

    def by(self, things: Iterable[Thing]) -> int:
        """The micro-operations that change one of these things."""
        self._follow()
        changes, found = self._changes, 0
        for thing in things:
            found |= changes.get(thing, 0)
        return found

    def _follow(self) -> None:
        records, changes = self._ordering.records, self._changes
        for index in range(self._seen, len(records)):
            what = records[index].what
            if isinstance(what, MicroOperation):
                for thing in _things(what):
                    changes[thing] = changes.get(thing, 0) | 1 << index
        self._seen = len(records)


def _things(what: MicroOperation) -> Iterator[Thing]:
    if isinstance(what, NameChange):
        for entry in what.entries:
            yield name_in(entry.directory, entry.name)
            yield listing(entry.directory)
            yield from _times(entry.directory)
            yield links(entry.directory)
            for inode in (entry.before, entry.after):
                if inode is not None:
                    yield links(inode)
                    yield name_in(inode, "..")
    elif isinstance(what, DataWrite | SizeChange):
        yield data(what.inode)
        yield from _times(what.inode)
    else:
        assert isinstance(what, AttributeChange)
        yield attributes(what.inode)
        yield from _times(what.inode)


def _times(inode: int) -> Iterator[Thing]:
    yield modification_time(inode)
    yield change_time(inode)
