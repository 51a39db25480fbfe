"""What an operation gave, and what a tree looks like, in a form in which two file systems can be compared."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Any

import msgspec

from simulator.filesystems import Attributes, Filesystem
from simulator.operations import Close, Open, Operation, Read, Readdir, Readlink, Rename, Rmdir, Seek, Stat

OBSERVER = 99
PRIVILEGED = os.geteuid() == 0
"""The model's ranks are root. Owners can be compared with those of a real directory only if the tests are, too."""
REGULAR, DIRECTORY, SYMLINK, PIPE, KIND = 0o100000, 0o040000, 0o120000, 0o010000, 0o170000


class Failed(msgspec.Struct, frozen=True):
    """An operation raised: the exception's type and its errno."""

    kind: str
    code: str


def outcome(filesystem: Filesystem, rank: int, operation: Operation, now: int) -> Any:
    """What the operation gives, or how it fails. A directory that is not empty is one class (rename(2), rmdir(2))."""
    try:
        return filesystem.perform(rank, operation, now)
    except OSError as error:
        code = f"{errno.errorcode[error.errno or 0]} {error.filename or ''}".rstrip()
        if code == "ENOTEMPTY" and isinstance(operation, Rename | Rmdir):
            return Failed("FileExistsError", "EEXIST")
        return Failed(type(error).__name__, code)


def unspecified(filesystem: Filesystem, rank: int, operation: Operation) -> bool:
    """Whether real file systems have no common answer: the end of a directory as a position."""
    if not isinstance(operation, Seek) or operation.whence != os.SEEK_END:
        return False
    found = outcome(filesystem, rank, Stat(operation.fd), 0)
    return isinstance(found, Attributes) and found.mode & KIND == DIRECTORY


class Inodes:
    """Which inode of one file system is which of the other."""

    def __init__(self) -> None:
        self.known: dict[int, int] = {}

    def same(self, first: int, second: int) -> bool:
        """Whether the two can be the same inode, after all that was seen so far."""
        return self.known.setdefault(first, second) == second


def alike(first: Any, second: Any, inodes: Inodes) -> bool:
    """Whether two outcomes are the same, but for times and for what inodes are called."""
    if isinstance(first, Attributes) and isinstance(second, Attributes):
        return inodes.same(first.inode, second.inode) and _without_names(first) == _without_names(second)
    if isinstance(first, tuple) and isinstance(second, tuple) and first and isinstance(first[0], tuple):
        return [entry[:2] for entry in first] == [entry[:2] for entry in second] and all(
            inodes.same(mine[2], other[2]) for mine, other in zip(first, second, strict=True)
        )
    return bool(first == second)


def _without_names(attributes: Attributes) -> tuple[int, ...]:
    found = (attributes.mode, attributes.links, attributes.size)
    return (*found, attributes.uid, attributes.gid) if PRIVILEGED else found


def tree(filesystem: Filesystem) -> Iterator[tuple[Any, ...]]:
    """Every name with all that an observer can see of it, in order; inodes numbered as they are met."""
    inodes: dict[int, int] = {}
    waiting = [""]
    while waiting:
        path = waiting.pop()
        found = filesystem.perform(OBSERVER, Stat(path, follow=False))
        number = inodes.setdefault(found.inode, len(inodes))
        content: Any = None
        if found.mode & KIND == DIRECTORY:
            names = [name for name, _, _ in filesystem.perform(OBSERVER, Readdir(path))]
            waiting += [f"{path}/{name}" if path else name for name in reversed(names)]
        elif found.mode & KIND == SYMLINK:
            content = filesystem.perform(OBSERVER, Readlink(path))
        elif found.mode & KIND != PIPE:
            descriptor = filesystem.perform(OBSERVER, Open(path, 0))
            content = filesystem.perform(OBSERVER, Read(descriptor, 1_000_000))
            filesystem.perform(OBSERVER, Close(descriptor))
        yield (path, number, _without_names(found), content)
