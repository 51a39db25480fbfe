"""Which micro-operations are durable for certain, and which can be durable only with others, by a profile's promises.

Sets of micro-operations are the bits of integers. What a power loss can leave is every set that holds what is durable
for certain and, with each micro-operation, those that it needs: a downward-closed set (ALICE, section 3).
"""

from __future__ import annotations

from collections.abc import Callable

from simulator.filesystems.durability.micro_operations import (
    BLOCK,
    AttributeChange,
    Closed,
    DataWrite,
    NameChange,
    Record,
    SizeChange,
    Sync,
    SyncFailed,
)
from simulator.filesystems.durability.persistence import Persistence

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


class Ordering:
    """The order of a log as far as it has been added.

    ``precedes`` is None for one run, whose log is what happened. For a class of interleavings, of which a log is one
    case, it tells which records are in this order in all cases: everything that some case allows is then allowed.

    ``certain`` are the micro-operations that are durable for certain; ``needs[i]`` what the i-th one needs directly,
    and ``revised`` counts how often that has changed later on. Milestones have a place in ``needs`` too, and are in no
    set.
    """

    def __init__(self, persistence: Persistence, ranks_per_node: int = 1, precedes: Precedes | None = None) -> None:
        self._promises = persistence
        self._ranks_per_node = ranks_per_node
        self._precedes = precedes
        self.records: list[Record] = []
        self.needs: list[int] = []
        self.revised = 0
        self.certain = 0
        self.all = 0
        self._names = 0
        self._names_of: dict[int, int] = {}
        self._entries_in: dict[int, int] = {}
        self._moves = 0
        self._content_of: dict[int, int] = {}
        self._attributes_of: dict[int, int] = {}
        self._truncations: dict[int, int] = {}
        self._failures: dict[int, list[int]] = {}
        self._syncs: list[int] = []

    def add(self, record: Record) -> None:
        """The next record of the log."""
        index = len(self.records)
        self.records.append(record)
        self.needs.append(0)
        what = record.what
        if isinstance(what, NameChange):
            self._add_names(index, what)
        elif isinstance(what, DataWrite):
            self._add_data(index, what)
        elif isinstance(what, SizeChange):
            self._add_size(index, what)
        elif isinstance(what, AttributeChange):
            self._add_attributes(index, what)
        elif isinstance(what, Sync):
            self._add_sync(index, what)
        elif isinstance(what, SyncFailed):
            self._failures.setdefault(what.inode, []).append(index)
        else:
            self._add_close(index, what)

    def closed(self, wanted: int) -> int:
        """The set with all that its members need."""
        found, rest = 0, wanted
        while rest:
            lowest = rest & -rest
            found |= lowest
            rest = (rest | self.needs[lowest.bit_length() - 1]) & ~found
        return found

    def dependent(self, lost: int) -> int:
        """The set with all that need one of its members."""
        found = lost
        grown = True
        while grown:
            grown = False
            rest = self.all & ~found
            while rest:
                lowest = rest & -rest
                rest ^= lowest
                if self.needs[lowest.bit_length() - 1] & found:
                    found |= lowest
                    grown = True
        return found

    @property
    def pending(self) -> int:
        """What a power loss may take."""
        return self.all & ~self.certain

    # -- micro-operations ---------------------------------------------------------------------------------------

    def _add_names(self, index: int, what: NameChange) -> None:
        promises, bit = self._promises, 1 << index
        needs = 1 << index - 1 if what.needs_previous else 0
        if promises.names == "one-order":
            needs |= self._before(self._names, index)
        inodes = {inode for entry in what.entries for inode in (entry.before, entry.after) if inode is not None}
        for entry in what.entries:
            # A directory is in one place at a time, and what holds a directory is not below it.
            if entry.is_directory and entry.after is not None:
                needs |= self._before(self._names_of.get(entry.after, 0), index)
                if self._moves_elsewhere(index, what):
                    needs |= self._before(self._moves, index)
                    self._moves |= bit
            if entry.replaced_file and entry.after is not None and promises.data_before_replacement:
                needs |= self._before(self._content_of.get(entry.after, 0), index)
            self._entries_in[entry.directory] = self._entries_in.get(entry.directory, 0) | bit
        for inode in inodes:
            self._names_of[inode] = self._names_of.get(inode, 0) | bit
        self._names |= bit
        self._take(index, needs, promises.names == "synchronous")

    def _moves_elsewhere(self, index: int, what: NameChange) -> bool:
        """Whether a rename takes something from one directory to another."""
        directories = {entry.directory for entry in what.entries}
        if what.needs_previous:
            previous = self.records[index - 1].what
            assert isinstance(previous, NameChange)
            directories |= {entry.directory for entry in previous.entries}
        return len(directories) > 1

    def _add_data(self, index: int, what: DataWrite) -> None:
        needs = 0
        if self._promises.metadata_in_order:
            earlier = self._before(self._content_of.get(what.inode, 0), index)
            for other in members(earlier):
                known = self.records[other].what
                if isinstance(known, SizeChange):
                    needs |= (known.after < known.before) << other
                elif isinstance(known, DataWrite) and _share_a_block(known, what):
                    needs |= 1 << other
        self._content_of[what.inode] = self._content_of.get(what.inode, 0) | 1 << index
        self._take(index, needs, False)

    def _add_size(self, index: int, what: SizeChange) -> None:
        promises = self._promises
        earlier = self._before(self._content_of.get(what.inode, 0), index)
        needs = 0
        if promises.metadata_in_order:
            needs |= sum(1 << other for other in members(earlier) if isinstance(self.records[other].what, SizeChange))
        if promises.size != "free" and what.after > what.before:
            data = sum(1 << other for other in members(earlier) if isinstance(self.records[other].what, DataWrite))
            if promises.size == "before-last-block" and what.appends:
                data &= ~(1 << index - 1)
            needs |= data
        if what.after == 0:
            self._truncations[what.inode] = index
        self._content_of[what.inode] = self._content_of.get(what.inode, 0) | 1 << index
        self._take(index, needs, promises.names == "synchronous" and what.after < what.before)

    def _add_attributes(self, index: int, what: AttributeChange) -> None:
        earlier = self._attributes_of.get(what.inode, 0)
        needs = self._before(earlier, index) if self._promises.metadata_in_order else 0
        self._attributes_of[what.inode] = earlier | 1 << index
        self._take(index, needs, self._promises.names == "synchronous")

    def _take(self, index: int, needs: int, certain: bool) -> None:
        self.needs[index] = needs
        self.all |= 1 << index
        if certain:
            self.certain |= self.closed(1 << index)

    # -- milestones ---------------------------------------------------------------------------------------------

    def _add_sync(self, index: int, what: Sync) -> None:
        promises = self._promises
        if what.is_directory:
            covered = self._attributes_of.get(what.inode, 0)
            names = promises.fsync_directory
            own = self._entries_in.get(what.inode, 0)
        else:
            covered = self._content_to_sync(what.inode, index)
            names, own = "nothing", 0
            if not what.data_only:
                covered |= self._attributes_of.get(what.inode, 0)
                names, own = promises.fsync, self._names_of.get(what.inode, 0)
        if names != "nothing":
            covered |= self._names if names == "all" else own
        self.certain |= self.closed(self._before(covered, index))
        self._syncs.append(index)

    def _content_to_sync(self, inode: int, index: int) -> int:
        """Data and sizes that a sync would write: not those of which an earlier sync has said that it failed."""
        content = self._content_of.get(inode, 0)
        for failed in self._failures.get(inode, ()):
            if self._may_come_first(failed, index):
                content &= ~sum(1 << other for other in members(content) if self._may_come_first(other, failed))
        return content

    def _add_close(self, index: int, what: Closed) -> None:
        content = self._before(self._content_of.get(what.inode, 0), index)
        if self._promises.close_commits:
            node = self.records[index].rank // self._ranks_per_node
            own = (other for other in members(content) if self.records[other].rank // self._ranks_per_node == node)
            self.certain |= self.closed(sum(1 << other for other in own))
        cut = self._truncations.pop(what.inode, None)
        if cut is not None and self._promises.data_before_truncation and not self._may_commit_between(cut, index):
            self.revised += 1
            self.needs[cut] |= sum(1 << other for other in members(content) if other > cut)

    def _may_commit_between(self, first: int, last: int) -> bool:
        """Whether the truncation may have become durable by itself before the file was closed."""
        seconds = (self.records[last].time - self.records[first].time) / 1e9
        if seconds >= self._promises.commit_seconds or self.certain >> first & 1:
            return True
        if self._promises.names != "one-order":
            return False
        return any(self._may_come_first(first, sync) and self._may_come_first(sync, last) for sync in self._syncs)

    # -- order --------------------------------------------------------------------------------------------------

    def _before(self, of: int, index: int) -> int:
        """Those members that come before this record in all cases."""
        if self._precedes is None:
            return of & ((1 << index) - 1)
        record = self.records[index]
        return sum(1 << other for other in members(of) if self._precedes(self.records[other], record))

    def _may_come_first(self, first: int, second: int) -> bool:
        """Whether a record comes before another in some case."""
        if self._precedes is None or first == second:
            return first < second
        if first < second:
            return True
        return not self._precedes(self.records[second], self.records[first])


def _share_a_block(first: DataWrite, second: DataWrite) -> bool:
    return first.offset // BLOCK <= (second.end - 1) // BLOCK and second.offset // BLOCK <= (first.end - 1) // BLOCK
