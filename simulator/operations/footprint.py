"""What an operation touches, and when two operations conflict.

A *thing* is an inode's data, an inode's attributes, an inode's modification time, one name in one directory, or the
listing of a directory: never a path string, since the same path may mean two inodes at two moments. Two operations
conflict when they touch the same thing and at least one of them changes it in a way that does not commute with the
other's use of it. Creating two names in one directory commutes; listing the directory conflicts with both.

Modification times are the trap (rotation by mtime reads the order in which unrelated directories were last changed):
each change of a directory or of file data *updates* the time of its inode, which commutes with other updates of the
same inode for whoever never looks. A look is a read. Changes of two inodes that are both *tracked* (someone looks at
their times) conflict with each other as well; that rule needs the set of tracked inodes and lives with the search.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

Thing: TypeAlias = tuple[int, str]
"""(inode, facet). The facet: ``":data"``, ``":attributes"``, ``":links"``, ``":listing"``, ``":mtime"``, ``":ctime"``,
``":lock"``, ``":changes"`` or ``"/NAME"``. A negative inode stands for what the tasks of one rank share, such as its
descriptors."""


class Mode(IntEnum):
    """How a thing is touched. Updates commute with each other, but not with reads or writes."""

    READ = 0
    UPDATE = 1
    WRITE = 2


Access: TypeAlias = tuple[Thing, Mode]
Footprint: TypeAlias = tuple[Access, ...]


def data(inode: int) -> Thing:
    """The bytes and the size of a file."""
    return (inode, ":data")


def attributes(inode: int) -> Thing:
    """Mode, owner, and that a directory is not removed."""
    return (inode, ":attributes")


def links(inode: int) -> Thing:
    """The link count of an inode. Not part of a stat: a look at the count reads it."""
    return (inode, ":links")


def modification_time(inode: int) -> Thing:
    """The mtime of an inode; its changes move the ctime too. No part of a stat: a look at either time reads it."""
    return (inode, ":mtime")


def change_time(inode: int) -> Thing:
    """The ctime of an inode where it moves without the mtime (chmod, rename, link). A look at ctime reads both."""
    return (inode, ":ctime")


def lock(inode: int) -> Thing:
    """Who holds the inode's flock."""
    return (inode, ":lock")


def listing(inode: int) -> Thing:
    """The set of names in a directory, as readdir and the emptiness test of rmdir and rename see it."""
    return (inode, ":listing")


def memory(rank: int) -> Thing:
    """What the tasks of one rank share beside the file system; each step of a rank with several of them writes it."""
    return (-1 - rank, ":memory")


def name_in(inode: int, name: str) -> Thing:
    """One name in one directory: what it points to, or that it is absent."""
    return (inode, "/" + name)


def all_changes(inode: int = 0) -> Thing:
    """The order of all operations: how much later the changes of some are than those of others depends on it."""
    return (0, ":changes")


def looked_at(inode: int, facet: str) -> list[Access]:
    """What is read when somebody looks at the ``mtime``, the ``ctime`` or the ``links`` that a stat gave.

    ``value`` is a look at more than the order of a time and others.
    """
    return [(thing(inode), Mode.READ) for thing in _LOOKS[facet]]


_LOOKS = {
    "mtime": (modification_time,),
    "ctime": (modification_time, change_time),
    "value": (all_changes,),
    "links": (links,),
}


def merged(footprint: Footprint) -> dict[Thing, Mode]:
    """One mode a thing: to read and change the same thing commutes with nobody's change, so it is a write."""
    modes: dict[Thing, Mode] = {}
    for thing, mode in footprint:
        known = modes.get(thing)
        modes[thing] = mode if known is None or known is mode else Mode.WRITE
    return modes


def conflict(first: Footprint, second: Footprint) -> Thing | None:
    """The first thing by which two footprints conflict, or None if their operations commute."""
    touched = merged(first)
    for thing, mode in merged(second).items():
        other = touched.get(thing)
        if other is not None and (mode is not other or mode is Mode.WRITE):
            return thing
    return None
