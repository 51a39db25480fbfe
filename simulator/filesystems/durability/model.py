"""The POSIX model together with what of it is on the disk."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from simulator.filesystems.durability.disk import after, disk_of, model_of
from simulator.filesystems.durability.history import Precedes, members
from simulator.filesystems.durability.micro_operations import (
    Birth,
    Closed,
    MicroOperation,
    Milestone,
    Record,
    Sync,
    SyncFailed,
)
from simulator.filesystems.durability.observing import Observed, births, micro_operations, start_of_write
from simulator.filesystems.durability.ordering import Ordering
from simulator.filesystems.durability.persistence import Persistence
from simulator.filesystems.posix.descriptors import Description
from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import NO_ENTRIES, Inode
from simulator.filesystems.posix.model import PosixModel
from simulator.filesystems.posix.scratch import is_in_scratch
from simulator.filesystems.posix.tree import Tree, Undo
from simulator.operations import CHANGING, Access, Close, Fsync, Lock, Operation, Write

Change = tuple[int, int]
"""A micro-operation by its rank and its number among those of the rank."""


class DurableModel:
    """A ``Filesystem`` that acts as the POSIX model does and keeps a log of what must still get to the disk.

    ``outages`` counts how often the power has failed; ``before_outage`` is told when it is about to, and what is lost.
    ``step`` is what records are labelled with; where nobody sets it, every operation has a label of its own.
    """

    def __init__(self, persistence: Persistence, ranks_per_node: int = 1, model: PosixModel | None = None) -> None:
        self.persistence = persistence
        self.outages = 0
        self.step: int | None = None
        self.before_outage: Callable[[DurableModel, int], None] | None = None
        self.records: list[Record] = []
        self._ranks_per_node = ranks_per_node
        self._operations = 0
        self._begin(model or PosixModel())

    def _begin(self, model: PosixModel) -> None:
        """Everything that the model holds is on the disk."""
        self._model = model
        model.mark()  # So that the model logs every change, which is how they are observed.
        self._disk = disk_of(model.tree)
        self._births: dict[int, Birth] = {}
        self._numbers: dict[int, int] = {}
        self._saved: list[tuple[int, frozenset[Description]]] = []
        self._unreported: frozenset[Description] = frozenset()
        self._ordering: Ordering | None = None
        self.records.clear()

    # -- a file system ------------------------------------------------------------------------------------------

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``. A sync gives EIO where an earlier one of another descriptor has failed."""
        kind, model = type(operation), self._model
        if kind not in CHANGING:
            if kind is Fsync:
                self._sync(rank, operation, now)  # type: ignore[arg-type]
                return None
            closing = self._writable(rank, operation) if kind is Close else None
            value = model.perform(rank, operation, now)
            if closing is not None and not closing.references and not is_in_scratch(closing.inode):
                self._note(rank, Closed(closing.inode.number), now)
        else:
            log = model.tree.log
            assert log is not None
            start = len(log)
            value = model.perform(rank, operation, now)
            if len(log) > start:
                self._observe(rank, operation, value, log[start:], now)
        self._operations += 1
        if not self._saved:
            assert model.tree.log is not None
            model.tree.log.clear()
        return value

    def release(self, rank: int) -> None:
        """See ``Filesystem.release``. What a dead process has written stays in the cache."""
        self._model.release(rank)

    def release_all(self) -> None:
        """Every process has ended, as when the job dies."""
        self._model.release_all()

    def lose_scratch(self, node: int) -> None:
        """See ``Filesystem.lose_scratch``."""
        self._model.lose_scratch(node)

    def would_wait(self, rank: int, operation: Lock) -> bool:
        """See ``PosixModel.would_wait``."""
        return self._model.would_wait(rank, operation)

    @property
    def accesses(self) -> list[Access] | None:
        """See ``PosixModel.accesses``."""
        return self._model.accesses

    @accesses.setter
    def accesses(self, accesses: list[Access] | None) -> None:
        self._model.accesses = accesses

    @property
    def tree(self) -> Tree:
        """What everybody sees while the power is on."""
        return self._model.tree

    def digest(self) -> int:
        """See ``PosixModel.digest``. What is on the disk has no part in it."""
        return self._model.digest()

    def mtime_order(self) -> tuple[tuple[str, int], ...]:
        """See ``PosixModel.mtime_order``."""
        return self._model.mtime_order()

    def walk_files(self) -> Iterator[tuple[str, Inode]]:
        """See ``PosixModel.walk_files``."""
        return self._model.walk_files()

    def mark(self) -> int:
        """See ``PosixModel.mark``; the log of what is not on the disk belongs to what is restored."""
        self._saved.append((len(self.records), self._unreported))
        return self._model.mark() - 1  # The first one is not the caller's.

    def rollback(self, mark: int) -> None:
        """See ``PosixModel.rollback``."""
        self._model.rollback(mark + 1)
        length, self._unreported = self._saved[mark]
        for record in self.records[length:]:
            if record.n >= 0:
                self._numbers[record.rank] -= 1
        del self.records[length:]
        del self._saved[mark:]
        if self._ordering is not None and len(self._ordering.records) > length:
            self._ordering = None

    def forget(self, mark: int) -> None:
        """See ``PosixModel.forget``."""
        self._model.forget(mark + 1)
        del self._saved[mark:]

    # -- the disk -----------------------------------------------------------------------------------------------

    def ordering(self, precedes: Precedes | None = None) -> Ordering:
        """What is durable for certain now, and what needs what. See ``Ordering`` for ``precedes``."""
        ordering = self._ordering if precedes is None else None
        if ordering is None:
            ordering = Ordering(self.persistence, self._ranks_per_node, precedes)
            if precedes is None:
                self._ordering = ordering
        for record in self.records[len(ordering.records) :]:
            ordering.add(record)
        return ordering

    def state(self, durable: int, ordering: Ordering | None = None) -> PosixModel:
        """What a machine finds on the disk when these micro-operations are durable; a file system of its own."""
        records = (ordering or self.ordering()).records
        changes: list[tuple[int, MicroOperation]] = []
        for index in members(durable):
            what = records[index].what
            assert not isinstance(what, Milestone)
            changes.append((records[index].time, what))
        model = model_of(after(self._disk, self._births, changes), self.tree.created)
        model.tree.ranks_per_node = self.tree.ranks_per_node
        return model

    def pending(self, changes: Iterable[Change]) -> int:
        """Those of the micro-operations that a power loss may take now."""
        wanted = set(changes)
        ordering = self.ordering()
        return sum(1 << i for i in members(ordering.pending) if _change(ordering.records[i]) in wanted)

    def lose_power(self, lost: int) -> None:
        """The power fails: all processes end, these micro-operations are lost, and with them what needs them."""
        if self.before_outage is not None:
            self.before_outage(self, lost)
        ordering = self.ordering()
        self._begin(self.state(ordering.all & ~ordering.dependent(lost)))
        self.outages += 1

    def changes(self, members_of: int) -> list[Change]:
        """The micro-operations of a set as they are addressed."""
        return [_change(self.records[index]) for index in members(members_of)]

    def sync_failed(self, rank: int, operation: Fsync, now: int = 0) -> None:
        """A sync fails with an error that its caller gets to know, and others who have the file open at their next."""
        description = self._described(rank, operation.fd)
        if description is None or description.inode.entries is not NO_ENTRIES:
            return
        self._note(rank, SyncFailed(description.inode.number), now)
        holders = {held for table in self.tree.tables.values() for held in table.opened.values()}
        others = {held for held in holders if held.inode is description.inode and held is not description}
        self._unreported |= others

    # -- inside -------------------------------------------------------------------------------------------------

    def _sync(self, rank: int, operation: Fsync, now: int) -> None:
        self._model.perform(rank, operation, now)
        description = self._described(rank, operation.fd)
        assert description is not None
        if description in self._unreported:
            self._unreported -= {description}
            raise failure(errno.EIO)
        inode = description.inode
        if is_in_scratch(inode):
            return
        self._note(rank, Sync(inode.number, inode.entries is not NO_ENTRIES, operation.data_only), now)

    def _observe(self, rank: int, operation: Operation, value: Any, undo: list[Undo], now: int) -> None:
        observed = Observed(undo)
        if not observed.names and not observed.inodes:
            return
        self._births.update(births(observed))
        start = start_of_write(self.tree, rank, operation, value, undo) if isinstance(operation, Write) else None
        for what in micro_operations(operation, observed, start, self.persistence):
            self._note(rank, what, now)

    def _note(self, rank: int, what: MicroOperation | Milestone, now: int) -> None:
        n = -1
        if not isinstance(what, Milestone):
            n = self._numbers.get(rank, 0)
            self._numbers[rank] = n + 1
        step = self._operations if self.step is None else self.step
        self.records.append(Record(what, rank, n, now, step))

    def _described(self, rank: int, number: int) -> Description | None:
        table = self.tree.tables.get(rank)
        return None if table is None else table.opened.get(number)

    def _writable(self, rank: int, operation: Operation) -> Description | None:
        """The description that a close lets go of, if it could be written to."""
        description = self._described(rank, operation.fd)  # type: ignore[attr-defined]
        return description if description is not None and description.writable else None


def _change(record: Record) -> Change:
    return record.rank, record.n
