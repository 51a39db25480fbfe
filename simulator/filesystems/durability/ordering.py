"""Which micro-operations are durable for certain, and which can be durable only with others, by a profile's promises.

Sets of micro-operations are the bits of integers. What a power loss can leave is every set that holds what is durable
for certain and, with each micro-operation, those that it needs: a downward-closed set (ALICE, section 3).
"""

from __future__ import annotations

from simulator.filesystems.durability.history import History, Precedes, members
from simulator.filesystems.durability.micro_operations import (
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


class Ordering:
    """The order of a log as far as it has been added.

    ``precedes`` is None for one run, whose log is what happened. For a class of interleavings, of which a log is one
    case, it tells which records are in this order in all cases: everything that some case allows is then allowed.

    ``all`` are the micro-operations, ``certain`` those that are durable for certain; ``needs[i]`` is what the i-th one
    needs directly, and ``revised`` counts how often that has changed later on. Milestones have a place in ``records``
    and ``needs`` too, and are in no set.
    """

    def __init__(self, persistence: Persistence, ranks_per_node: int = 1, precedes: Precedes | None = None) -> None:
        self._promises = persistence
        self._ranks_per_node = ranks_per_node
        self._history = History(precedes)
        self.records = self._history.records
        self.needs: list[int] = []
        self.revised = 0
        self.certain = 0
        self.all = 0
        self._soft: dict[int, int] = {}
        self._covered: list[int] = []
        self._moves = 0
        self._truncations: dict[int, int] = {}
        self._failures: dict[int, list[int]] = {}
        self._held: dict[tuple[int, str], list[tuple[int, int]]] = {}

    def add(self, record: Record) -> None:
        """The next record of the log."""
        index = self._history.add(record)
        self.needs.append(0)
        what = record.what
        if isinstance(what, Sync):
            self._add_sync(index, what)
        elif isinstance(what, SyncFailed):
            self._failures.setdefault(what.inode, []).append(index)
        elif isinstance(what, Closed):
            self._add_close(index, what)
        else:
            self.all |= 1 << index
            if isinstance(what, NameChange):
                self._add_names(index, what)
            elif isinstance(what, DataWrite):
                self.needs[index] = self._needs_of_data(index, what)
            elif isinstance(what, SizeChange):
                self._add_size(index, what)
            else:
                self._add_attributes(index, what)

    @property
    def pending(self) -> int:
        """What a power loss may take."""
        return self.all & ~self.certain

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

    # -- micro-operations ---------------------------------------------------------------------------------------

    def _add_names(self, index: int, what: NameChange) -> None:
        promises, history = self._promises, self._history
        needs = 1 << index - 1 if what.needs_previous else 0
        if promises.names == "one-order":
            needs |= history.before(history.names, index)
        for entry in what.entries:
            # A directory is in one place at a time, and what holds a directory is not below it.
            if entry.is_directory and entry.after is not None:
                needs |= history.before(history.names_of(entry.after), index)
                if self._moves_elsewhere(index, what):
                    needs |= history.before(self._moves, index)
                    self._moves |= 1 << index
        self.needs[index] = needs
        if promises.rename == "atomic-if-synced":
            self._let_go(index)
            if what.parts:
                self._join_parts(index, what)
        replacing = self._inode_that_replaces(index, what) if promises.data_before_replacement else None
        if replacing is not None:
            content = history.before(history.content_of(replacing), index)
            self._wait_for(index, content, replacing, promises.data_before_replacement == "size")
        if promises.names == "synchronous":
            self._cover(1 << index)

    def _needs_of_data(self, index: int, what: DataWrite) -> int:
        needs, block = 0, self._promises.block_bytes
        if self._promises.metadata_in_order:
            for other in members(self._history.before(self._history.content_of(what.inode), index)):
                known = self.records[other].what
                if isinstance(known, SizeChange):
                    # What is left of the block in which a truncation ends is overwritten in place.
                    is_cut = known.after < known.before and what.offset >= -(-known.after // block) * block
                    needs |= is_cut << other
                elif isinstance(known, DataWrite) and _share_a_block(known, what, block):
                    needs |= 1 << other
        return needs

    def _add_size(self, index: int, what: SizeChange) -> None:
        promises, history = self._promises, self._history
        grows = what.after > what.before
        if promises.metadata_in_order:
            self.needs[index] |= history.before(history.sizes_of(what.inode), index)
        if promises.size == "after-data" and grows:
            self.needs[index] |= history.before(history.data_of(what.inode), index)
        if what.after == 0:
            self._truncations[what.inode] = index
        if promises.names == "synchronous" and not grows:
            self._cover(1 << index)

    def _add_attributes(self, index: int, what: AttributeChange) -> None:
        history = self._history
        if self._promises.metadata_in_order:
            self.needs[index] = history.before(history.attributes_of(what.inode), index)
        if self._promises.names == "synchronous":
            self._cover(1 << index)

    def _moves_elsewhere(self, index: int, what: NameChange) -> bool:
        """Whether a rename takes something from one directory to another."""
        directories = {entry.directory for entry in what.entries}
        if what.needs_previous:
            previous = self.records[index - 1].what
            assert isinstance(previous, NameChange)
            directories |= {entry.directory for entry in previous.entries}
        return len(directories) > 1

    def _was_synced(self, index: int, what: NameChange) -> bool:
        """Whether the file that gets a name was changed and synced before, and no commit had to come since.

        A symbolic link cannot be synced: the directory that holds it is instead, and takes it along.
        """
        history, inode = self._history, what.entries[0].after
        assert inode is not None
        changes = history.names_of(inode) | history.content_of(inode) | history.attributes_of(inode)
        earliest = self.records[index].time - self._promises.commit_seconds * 1e9
        taken_along = {inode, *self._directories_of(inode, index)} if what.entries[0].is_link else {inode}
        for sync in history.syncs:
            known, time = self.records[sync].what, self.records[sync].time
            assert isinstance(known, Sync)
            in_time = known.inode in taken_along and time > earliest and history.comes_first(sync, index)
            if in_time and history.before(changes, sync):
                return True
        return False

    def _directories_of(self, inode: int, index: int) -> set[int]:
        """Where the file had its names before this."""
        history = self._history
        changes = (self.records[other].what for other in members(history.before(history.names_of(inode), index)))
        names = (change.entries for change in changes if isinstance(change, NameChange))
        return {entry.directory for entries in names for entry in entries if entry.after == inode}

    def _inode_that_replaces(self, index: int, what: NameChange) -> int | None:
        """The file that takes the place of another one by this rename, or by this last part of a rename."""
        if what.parts:
            first = self.records[index - what.parts].what
            assert isinstance(first, NameChange)
            return what.entries[0].after if what.parts > 1 and first.entries[0].replaced_file else None
        return next((entry.after for entry in what.entries if entry.replaced_file and entry.after is not None), None)

    def _join_parts(self, index: int, what: NameChange) -> None:
        """Of the rename of a synced file, no name goes without the other; of another one, no old name before the new.

        But a name that has not been committed yet may go by itself: the sync that made it durable is undone first. That
        what was replaced is gone is not needed by the new name, which only covers it (see ``disk``).
        """
        self.revised += 1
        synced = self._was_synced(index, what)
        for part in range(index - what.parts, index):
            self.needs[part] |= 1 << index
            gone = self.records[part].what
            assert isinstance(gone, NameChange)
            (entry,) = gone.entries
            if synced:
                if (entry.directory, entry.name) != (what.entries[0].directory, what.entries[0].name):
                    self.needs[index] |= 1 << part
                continue
            self._held.setdefault((entry.directory, entry.name), []).append((part, index))
            for other in members(self._history.entries_in(entry.directory)):
                self._let_go(other)

    def _let_go(self, other: int) -> None:
        """Names that a rename took away may go by themselves where this change of the same names may have come before.

        In a class of interleavings that may become known only after the rename.
        """
        what = self.records[other].what
        assert isinstance(what, NameChange)
        for entry in what.entries:
            for part, index in self._held.get((entry.directory, entry.name), ()):
                if other != part and self.needs[part] >> index & 1 and self._history.may_come_first(other, part):
                    self.needs[part] &= ~(1 << index)
                    self._revise()

    # -- commits that wait --------------------------------------------------------------------------------------

    def _wait_for(self, index: int, content: int, inode: int, size_only: bool) -> None:
        """A commit by the timer waits for the content; one that a sync forces, for sizes that are known before data."""
        soft = content if self._promises.size == "after-data" else content & self._history.data_of(inode)
        self.revised += 1
        self.needs[index] |= content & ~soft
        if not size_only and not any(self._may_force(sync, index) for sync in self._history.syncs):
            self._soft[index] = soft & ~self.needs[index]
            self.needs[index] |= soft

    def _force(self, sync: int) -> None:
        """What waits does not wait any longer if this sync may force a commit of it."""
        forced = [index for index in self._soft if self._may_force(sync, index)]
        for index in forced:
            self.needs[index] &= ~self._soft.pop(index)
        if forced:
            self._revise()

    def _may_force(self, sync: int, index: int) -> bool:
        """Whether a sync commits a micro-operation in some case.

        Any one may commit all there is, whatever it is of: which of them do depends on what nobody knows, when an inode
        was read in, say, or on btrfs whether a name of it went in the same transaction.
        """
        return self._promises.fsync != "nothing" and self._history.may_come_first(index, sync)

    def _revise(self) -> None:
        """Something needs less than it did, so less is certain."""
        self.revised += 1
        self.certain = 0
        for covered in self._covered:
            self.certain |= self.closed(covered)

    # -- milestones ---------------------------------------------------------------------------------------------

    def _cover(self, covered: int) -> None:
        """These are durable for certain, with all that they need."""
        self._covered.append(covered)
        self.certain |= self.closed(covered)

    def _rule_for(self, what: Sync) -> str:
        if what.is_directory:
            return self._promises.fsync_directory
        return "nothing" if what.data_only else self._promises.fsync

    def _own_names(self, what: Sync) -> int:
        return self._history.entries_in(what.inode) if what.is_directory else self._history.names_of(what.inode)

    def _add_sync(self, index: int, what: Sync) -> None:
        history = self._history
        covered = 0 if what.is_directory else self._content_to_sync(what.inode, index)
        if not what.data_only:
            covered |= history.attributes_of(what.inode)
        rule = self._rule_for(what)
        if rule == "own":
            covered |= self._own_names(what)
        elif rule == "all":
            covered |= self._committed_with(what.inode, index)
        self._force(index)
        self._cover(history.before(covered, index))

    def _committed_with(self, inode: int, index: int) -> int:
        """Changes of names that a commit of an inode takes along: its own, and those before any change of it.

        An inode that has not changed since it was committed last commits nothing. What comes after its last change may
        be part of a later commit, since a timer may have come in between.
        """
        history = self._history
        own = history.before(history.metadata_of(inode), index)
        found = own & history.names
        for change in members(own):
            found |= history.before(history.names, change)
        return found

    def _content_to_sync(self, inode: int, index: int) -> int:
        """Data and sizes that a sync would write: not those of which an earlier sync has said that it failed."""
        content, history = self._history.content_of(inode), self._history
        for failed in self._failures.get(inode, ()):
            if history.may_come_first(failed, index):
                content &= ~sum(1 << other for other in members(content) if history.may_come_first(other, failed))
        return content

    def _add_close(self, index: int, what: Closed) -> None:
        content = self._history.before(self._history.content_of(what.inode), index)
        if self._promises.close_commits:
            node = self.records[index].rank // self._ranks_per_node
            own = (other for other in members(content) if self.records[other].rank // self._ranks_per_node == node)
            self._cover(sum(1 << other for other in own))
        cut = self._truncations.pop(what.inode, None)
        if cut is not None and self._promises.data_before_truncation and not self._may_commit_between(cut, index):
            size_only = self._promises.data_before_truncation == "size"
            self._wait_for(cut, content >> cut + 1 << cut + 1, what.inode, size_only)

    def _may_commit_between(self, first: int, last: int) -> bool:
        """Whether the truncation may have become durable by itself before the file was closed."""
        seconds = (self.records[last].time - self.records[first].time) / 1e9
        if seconds >= self._promises.commit_seconds or self.certain >> first & 1:
            return True
        history = self._history
        return any(self._may_force(sync, first) and history.may_come_first(sync, last) for sync in history.syncs)


def _share_a_block(first: DataWrite, second: DataWrite, block: int) -> bool:
    return first.offset // block <= (second.end - 1) // block and second.offset // block <= (first.end - 1) // block
