"""What an operation does to a disk, in parts that may become durable one without the other.

The parts are those of ALICE (Pillai et al., OSDI 2014, table 2): a directory entry is created or deleted, a file's size
changes, a piece of data is written; and, which ALICE leaves out, mode, owner or times are set.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from simulator.operations import Extent


class Birth(msgspec.Struct, frozen=True, gc=False):
    """What an inode is from the start, when its first name becomes durable. ``text``: of a symbolic link."""

    mode: int
    uid: int
    gid: int
    text: str | None
    time: int


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A name in a directory led to the inode ``before`` and leads to the inode ``after``; None is nowhere.

    ``is_directory`` and ``is_link`` say what the name leads to now, ``replaced_file`` whether it led to a file before.
    """

    directory: int
    name: str
    before: int | None
    after: int | None
    is_directory: bool = False
    replaced_file: bool = False
    is_link: bool = False


class NameChange(msgspec.Struct, frozen=True, gc=False):
    """Names that change together.

    ``needs_previous``: not without the micro-operation before it. ``parts``: it is the last part of a rename, after so
    many others.
    """

    entries: tuple[Entry, ...]
    needs_previous: bool = False
    parts: int = 0


class DataWrite(msgspec.Struct, frozen=True, gc=False):
    """Bytes of a file from ``offset`` on."""

    inode: int
    offset: int
    data: bytes | Extent

    @property
    def end(self) -> int:
        """Where they end."""
        return self.offset + len(self.data)


class SizeChange(msgspec.Struct, frozen=True, gc=False):
    """A file gets the size ``after``."""

    inode: int
    before: int
    after: int


class AttributeChange(msgspec.Struct, frozen=True, gc=False):
    """Mode and owner are set, and the modification time if it was set by hand."""

    inode: int
    mode: int
    uid: int
    gid: int
    modified: int | None = None


MicroOperation: TypeAlias = NameChange | DataWrite | SizeChange | AttributeChange


class Sync(msgspec.Struct, frozen=True, gc=False):
    """A file or directory was synced. ``data_only``: by fdatasync(2)."""

    inode: int
    is_directory: bool
    data_only: bool = False


class SyncFailed(msgspec.Struct, frozen=True, gc=False):
    """A sync failed: what was to be written counts as written from then on, and no later sync tries again.

    Linux since 4.13 marks the pages clean and tells the error once for each open description (fsync(2), errors EIO).
    """

    inode: int


class Closed(msgspec.Struct, frozen=True, gc=False):
    """A file was closed that was open for writing."""

    inode: int


Milestone: TypeAlias = Sync | SyncFailed | Closed


class Record(msgspec.Struct, frozen=True, gc=False):
    """A micro-operation, or a milestone, as it came: the ``n``-th micro-operation of its rank, at a virtual time.

    ``step`` tells the operation that it is part of from others. ``n`` of a milestone is -1.
    """

    what: MicroOperation | Milestone
    rank: int
    n: int
    time: int
    step: int
