"""Reads from the undo log of a POSIX model which micro-operations an operation consists of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from simulator.filesystems.durability.micro_operations import (
    AttributeChange,
    Birth,
    DataWrite,
    Entry,
    MicroOperation,
    NameChange,
    SizeChange,
)
from simulator.filesystems.durability.persistence import Persistence
from simulator.filesystems.posix.content import Content, size_of
from simulator.filesystems.posix.inode import NO_ENTRIES, Inode
from simulator.filesystems.posix.scratch import is_in_scratch
from simulator.filesystems.posix.tree import OLD_ABSENCE, OLD_ENTRY, OLD_FIELDS, Tree, Undo
from simulator.operations import Extent, Operation, Rename, Utime, Write

_PIECES = 3
"""Of an extent, whose bytes nobody can tell from those of a hole."""


class Observed:
    """What an operation changed: names, with what they led to before, and inodes, with their old fields.

    Of a scratch nothing is left when the power fails, so nothing of it is here.
    """

    __slots__ = ("inodes", "names")

    def __init__(self, undo: Sequence[Undo]) -> None:
        self.names: dict[tuple[int, str], tuple[Inode, Inode | None]] = {}
        self.inodes: dict[int, tuple[Inode, tuple[Any, ...]]] = {}
        for function, *arguments in undo:
            if function is OLD_FIELDS:
                inode, *fields = arguments
                if not is_in_scratch(inode):
                    self.inodes.setdefault(inode.number, (inode, tuple(fields)))
            elif function is OLD_ABSENCE:
                directory, name = arguments
                if not is_in_scratch(directory):
                    self.names.setdefault((directory.number, name), (directory, None))
            elif function is OLD_ENTRY:
                directory, name, inode = arguments
                if not is_in_scratch(directory):
                    self.names.setdefault((directory.number, name), (directory, inode))


def births(observed: Observed) -> Iterator[tuple[int, Birth]]:
    """What the inodes are from the start that the operation may have made."""
    for (_, name), (directory, _) in observed.names.items():
        inode = directory.entries.get(name)
        if inode is not None and inode.number not in observed.inodes:
            yield inode.number, Birth(inode.mode, inode.uid, inode.gid, inode.text, inode.modified)


def micro_operations(
    operation: Operation, observed: Observed, start: int | None, promises: Persistence
) -> Iterator[MicroOperation]:
    """The micro-operations in the order of ALICE. ``start`` is where a write began."""
    rename = promises.rename
    entries = [_entry(name, *where) for (_, name), where in observed.names.items()]
    of_directory = any(entry.is_directory for entry in entries)
    if isinstance(operation, Rename) and (rename == "torn" or (rename != "atomic" and not of_directory)):
        yield from _torn(entries)
    elif entries:
        yield NameChange(tuple(entries))
    for inode, (mode, uid, gid, _, modified, _, _, content, *_) in observed.inodes.values():
        timed = isinstance(operation, Utime)
        if inode.content is not content and (start is not None or size_of(inode.content) != size_of(content)):
            yield from _of_data(inode, content, operation, start, promises)
        elif inode.entries is NO_ENTRIES:
            timed = timed or inode.modified != modified  # By a truncation to the size that the file had.
        if timed or (mode, uid, gid) != (inode.mode, inode.uid, inode.gid):
            yield AttributeChange(inode.number, inode.mode, inode.uid, inode.gid, inode.modified if timed else None)


def start_of_write(tree: Tree, rank: int, operation: Write, written: int, undo: Sequence[Undo]) -> int:
    """Where a write of so many bytes began that has been carried out."""
    description = tree.tables[rank].get(operation.fd)
    if description.append:
        for function, *arguments in undo:
            if function is OLD_FIELDS and arguments[0] is description.inode:
                return size_of(arguments[8])
    return operation.offset if operation.offset is not None else description.position - written


def _entry(name: str, directory: Inode, before: Inode | None) -> Entry:
    after = directory.entries.get(name)
    return Entry(
        directory.number,
        name,
        None if before is None else before.number,
        None if after is None else after.number,
        after is not None and after.entries is not NO_ENTRIES,
        before is not None and before.entries is NO_ENTRIES,
        after is not None and after.text is not None,
    )


def _torn(entries: Sequence[Entry]) -> Iterator[NameChange]:
    """A rename in parts: what it replaced goes, the old name goes, the new name comes.

    A directory has never two names, so its new one does not come before its old one has gone.
    """
    gone = [entry for entry in entries if entry.after is None]
    come = [entry for entry in entries if entry.after is not None]
    replaced = [
        msgspec.structs.replace(e, after=None, is_directory=False, is_link=False) for e in come if e.before is not None
    ]
    for entry in (*replaced, *gone):
        yield NameChange((entry,))
    for entry in come:
        new = msgspec.structs.replace(entry, before=None, replaced_file=False)
        yield NameChange((new,), entry.is_directory, len(replaced) + len(gone))


def _of_data(
    inode: Inode, old: Content, operation: Operation, start: int | None, promises: Persistence
) -> Iterator[MicroOperation]:
    """A write in pieces; of bytes beyond the old end, each piece with the size that it leads to."""
    before, after = size_of(old), size_of(inode.content)
    number = inode.number
    if not isinstance(operation, Write) or start is None:
        block = promises.block_bytes
        if after < before and after % block:
            # What is cut off of a block is overwritten with zeros.
            yield DataWrite(number, after, Extent(min(before, -(-after // block) * block) - after))
        yield SizeChange(number, before, after)
        return
    end = start + len(operation.data)
    size = before
    most = _PIECES if isinstance(operation.data, Extent) else promises.blocks_apart
    for first, last in _pieces(start, end, before, promises.block_bytes, most):
        yield DataWrite(number, first, _part(operation.data, first - start, last - start))
        if last > size:
            yield SizeChange(number, size, last)
            size = last


def _pieces(start: int, end: int, size: int, block: int, most: int) -> Iterator[tuple[int, int]]:
    """The bytes from ``start`` to ``end`` in pieces that end with blocks: what is overwritten, then what is new.

    Each block by itself as long as there are at most so many; of more, the last one, in which a crash may leave zeros,
    and the rest in groups of the same size.
    """
    for first, last in ((start, min(end, size)), (max(start, size), end)):
        if first < last:
            lowest, highest = first // block, (last - 1) // block
            blocks = highest - lowest
            groups = min(most - 1, blocks)
            cuts = [lowest + blocks * group // groups for group in range(1, groups + 1)] if groups else []
            yield from pairwise([first, *(cut * block for cut in cuts), last])


def _part(data: bytes | Extent, first: int, last: int) -> bytes | Extent:
    return Extent(last - first) if isinstance(data, Extent) else bytes(data[first:last])
