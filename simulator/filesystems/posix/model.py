"""The POSIX model: an in-memory file system that does to operations what Linux does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any, Final

from simulator.filesystems.posix.attributes import access, chmod, chown, setxattr, stat, statvfs, utime
from simulator.filesystems.posix.digest import digest_of
from simulator.filesystems.posix.files import close, dup, fsync, let_go, open_file, read, seek, truncate, write
from simulator.filesystems.posix.inode import NO_ENTRIES, Inode
from simulator.filesystems.posix.locks import conflicting, lock
from simulator.filesystems.posix.namespace import link, mkdir, mkfifo, readdir, readlink, rmdir, symlink, unlink
from simulator.filesystems.posix.renaming import rename
from simulator.filesystems.posix.scratch import lose_scratch
from simulator.filesystems.posix.tree import Tree, forget_table, undo
from simulator.operations import (
    Access,
    AccessCheck,
    Chmod,
    Chown,
    Close,
    Dup,
    Fsync,
    Link,
    Lock,
    Mkdir,
    Mkfifo,
    Open,
    Operation,
    Read,
    Readdir,
    Readlink,
    Rename,
    Rmdir,
    Seek,
    Setxattr,
    Stat,
    Statvfs,
    Symlink,
    Truncate,
    Unlink,
    Utime,
    Write,
)

_ACTIONS: Final[dict[type[Operation], Callable[[Tree, int, Any, int], Any]]] = {
    AccessCheck: access, Chmod: chmod, Chown: chown, Close: close, Dup: dup, Fsync: fsync, Link: link, Lock: lock,
    Mkdir: mkdir, Mkfifo: mkfifo, Open: open_file, Read: read, Readdir: readdir, Readlink: readlink, Rename: rename,
    Rmdir: rmdir, Seek: seek, Setxattr: setxattr, Stat: stat, Statvfs: statvfs, Symlink: symlink, Truncate: truncate,
    Unlink: unlink, Utime: utime, Write: write,
}  # fmt: skip


def _with_scratch(whole: int, every: tuple[tuple[int, int], ...]) -> int:
    return int.from_bytes(blake2b(repr((whole, every)).encode(), digest_size=16).digest(), "little")


class PosixModel:
    """A ``Filesystem`` in memory, empty at first. The root is inode 1. Each node has a scratch, see ``scratch``.

    Not modelled: permissions (everybody is root), access times beyond utime, sizes of directories, free space, and
    names outside the root: ``..`` of the root is the root, and an absolute symbolic link that does not begin with
    ``LINK_TO_ROOT`` dangles.
    """

    __slots__ = ("_marks", "_tree")

    def __init__(self) -> None:
        self._tree = Tree()
        self._marks: list[int] = []

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``. Sleep, Collective and Join are no operations of a file system: KeyError."""
        return _ACTIONS[type(operation)](self._tree, rank, operation, now)

    def release(self, rank: int) -> None:
        """The rank's process has ended: its descriptors close and its locks go, which ``accesses`` gets to know."""
        table = self._tree.tables.get(rank)
        if table is not None:
            for number in sorted(table.opened):
                let_go(self._tree, table.opened[number])
            forget_table(self._tree, rank)

    def release_all(self) -> None:
        """Every process has ended, as when the job dies."""
        for rank in sorted(self._tree.tables):
            self.release(rank)

    def would_wait(self, rank: int, operation: Lock) -> bool:
        """Whether the lock is held by another in a way that would make ``operation`` wait now."""
        table = self._tree.tables.get(rank)
        description = table.opened.get(operation.fd) if table is not None else None
        return description is not None and conflicting(description, operation.how & 3)

    @property
    def tree(self) -> Tree:
        """What the model holds, for those who observe it."""
        return self._tree

    @property
    def accesses(self) -> list[Access] | None:
        """While this is a list, every operation appends to it what it touches, whether it succeeds or fails."""
        return self._tree.accesses

    @accesses.setter
    def accesses(self, accesses: list[Access] | None) -> None:
        self._tree.accesses = accesses

    def digest(self) -> int:
        """128 bits that name the tree as a restart would see it; costs as much as what changed since the last call.

        Independent of inode numbers, times, open descriptors and the order in which things came about.
        """
        root = self._tree.root
        summary = root.summary
        # After most operations nothing is stale, as they change nothing.
        whole = summary.whole if summary is not None and not summary.stale else digest_of(root)
        if self._tree.scratch:
            every = ((node, digest_of(scratch)) for node, scratch in sorted(self._tree.scratch.items()))
            whole = _with_scratch(whole, tuple(every))
        return whole

    def lose_scratch(self, node: int) -> None:
        """See ``Filesystem.lose_scratch``."""
        lose_scratch(self._tree, node)

    def mark(self) -> int:
        """A mark to come back to. Marks are a stack; while one is set, every change is logged."""
        if self._tree.log is None:
            self._tree.log = []
        self._marks.append(len(self._tree.log))
        return len(self._marks) - 1

    def rollback(self, mark: int) -> None:
        """Restore everything as it was at the mark, which is then gone together with all later ones."""
        assert self._tree.log is not None
        undo(self._tree.log, self._marks[mark])
        self.forget(mark)

    def forget(self, mark: int) -> None:
        """Drop the mark and all later ones, and keep what has changed since."""
        del self._marks[mark:]
        if not self._marks:
            self._tree.log = None

    def walk_files(self) -> Iterator[tuple[str, Inode]]:
        """Every name in the tree with its inode, directories before what is in them, in order of names."""
        waiting = [("", self._tree.root)]
        while waiting:
            path, inode = waiting.pop()
            if path:
                yield path, inode
            if inode.entries is not NO_ENTRIES:
                prefix = path + "/" if path else ""
                waiting += [(prefix + name, inode.entries[name]) for name in sorted(inode.entries, reverse=True)]

    def mtime_order(self) -> tuple[tuple[str, int], ...]:
        """Every path with the place of its modification time among all that occur, the oldest being 0. O(names)."""
        times = [("", self._tree.root.modified), *((path, inode.modified) for path, inode in self.walk_files())]
        places = {time: place for place, time in enumerate(sorted({time for _, time in times}))}
        return tuple((path, places[time]) for path, time in times)
