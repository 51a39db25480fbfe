"""The layer of an object store: what operations on files are to keys and objects."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from simulator.filesystems.objects.keys import Renames, found, holds_objects
from simulator.filesystems.objects.options import ObjectOptions
from simulator.filesystems.objects.uploads import Uploads
from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import NO_ENTRIES, Inode
from simulator.filesystems.posix.paths import parse
from simulator.filesystems.posix.walk import locate, parent_of, start_of
from simulator.filesystems.views.flocks import lock_on_node, would_wait_on_node
from simulator.filesystems.views.layers import Journal, Server, attributes_of, path_of
from simulator.operations import (
    AccessCheck,
    Close,
    Fsync,
    Link,
    Lock,
    Mkdir,
    Mkfifo,
    Open,
    Operation,
    Readdir,
    Rename,
    Rmdir,
    Stat,
    Symlink,
    Truncate,
    Unlink,
    Write,
)

_REFUSED: dict[str, int] = {"no": errno.ENOSYS, "many": errno.EMFILE}


class Objects:
    """The layer; implements ``layers.Layer``."""

    def __init__(self, server: Server, journal: Journal, ranks_per_node: int, options: ObjectOptions) -> None:
        self._server = server
        self._journal = journal
        self._ranks_per_node = ranks_per_node
        self._options = options
        self.unordered = True
        self._uploads = Uploads(server, journal, options)
        self._renames = Renames(server)
        self._local: dict[Inode, frozenset[int]] = {}
        self._now = 0
        self._linked = False
        """Whether there ever was a symbolic link: without, no path needs to be looked through."""
        self._actions: dict[type[Operation], Any] = {
            AccessCheck: self._access, Close: self._close, Fsync: self._fsync, Link: _no_links, Lock: self._lock,
            Mkdir: self._mkdir, Mkfifo: _no_links, Open: self._open, Readdir: self._readdir, Rename: self._rename,
            Rmdir: self._rmdir, Stat: self._stat, Symlink: self._symlink, Truncate: self._truncate,
            Unlink: self._unlink, Write: self._write,
        }  # fmt: skip

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``."""
        action = self._actions.get(type(operation))
        if action is None or rank < 0:
            return self._server.perform(rank, operation, now)
        self._now = now
        return action(rank, operation, now)

    def release(self, rank: int) -> None:
        """The rank's process has ended: what it was writing is published as far as it is, or dropped."""
        table = self._server.tree.tables.get(rank)
        opened = sorted(table.opened.items()) if table is not None else []
        written = [each.inode for _, each in opened if each.writable]
        self._server.release(rank)
        self._renames.forget(rank)
        for inode in written:
            if inode in self._uploads.open:
                if self._options.dies == "publishes":
                    self._completed_quietly(rank, inode)
                self._uploads.end(inode)

    def would_wait(self, rank: int, operation: Lock) -> bool:
        """See ``PosixModel.would_wait``; locks are of the node."""
        return would_wait_on_node(self._server, self._ranks_per_node, rank, operation)

    def restart(self) -> None:
        """The job starts anew: directories that no object is in are gone."""
        for directory in list(self._local):
            if directory.links and not holds_objects(directory):
                self._remove(directory)
        self._journal.set(self, "_local", {})

    def mtime_order(self) -> Sequence[tuple[str, int]]:
        """See ``PosixModel.mtime_order``."""
        return self._server.mtime_order()

    def digest(self) -> int:
        """What a restart would see, if every process died now."""
        return self._server.digest() ^ self._uploads.digest()

    # -- objects ------------------------------------------------------------------------------------------------

    def _open(self, rank: int, operation: Open, now: int) -> Any:
        flags = operation.flags
        writes = flags & os.O_ACCMODE != os.O_RDONLY and not flags & (os.O_PATH | os.O_DIRECTORY)
        if writes and flags & os.O_CREAT and self._options.directories == "none" and operation.at is None:
            key = parse(operation.path).names
            if key is not None and found(self._server.tree, "/".join(key)) is None:
                return self._uploads.begin(rank, self._node(rank), operation, "/".join(key), None, now)
        new = bool(flags & os.O_CREAT and flags & os.O_EXCL)
        place = self._place(rank, operation.path, operation.at, follow=not (new or flags & os.O_NOFOLLOW))
        if not writes or place is None:
            return self._server.perform(rank, operation, now)
        directory, name = place
        existing = directory.entries.get(name)
        if (existing is None and not flags & os.O_CREAT) or (existing is not None and (
            existing.entries is not NO_ENTRIES or existing.text is not None or new
        )):  # fmt: skip
            return self._server.perform(rank, operation, now)  # Which fails.
        return self._uploads.begin(rank, self._node(rank), operation, _joined(directory, name), existing, now)

    def _close(self, rank: int, operation: Close, now: int) -> Any:
        writing = self._uploads.of(rank, operation.fd)
        is_last = writing is not None and self._uploads.is_last(rank, operation.fd)
        self._server.perform(rank, operation, now)
        if writing is not None and is_last:
            try:
                self._complete(rank, writing[0], now)
            finally:
                self._uploads.end(writing[0])

    def _fsync(self, rank: int, operation: Fsync, now: int) -> Any:
        writing = self._uploads.of(rank, operation.fd)
        self._server.perform(rank, operation, now)
        if writing is not None and self._options.sync == "completes":
            self._complete(rank, writing[0], now)

    def _write(self, rank: int, operation: Write, now: int) -> Any:
        writing = self._uploads.of(rank, operation.fd)
        if writing is not None and writing[1].complete:
            raise failure(errno.EIO)
        return self._server.perform(rank, operation, now)

    def _truncate(self, rank: int, operation: Truncate, now: int) -> Any:
        if isinstance(operation.target, str) and not self._options.modify:
            raise failure(errno.EINVAL)  # As an open that keeps a part.
        return self._server.perform(rank, operation, now)

    def _complete(self, rank: int, inode: Inode, now: int) -> None:
        key = self._uploads.open[inode].key
        self._uploads.complete(rank, inode, now)
        directory: Inode | None = found(self._server.tree, key)
        while directory is not None and directory.parent is not directory:
            directory = directory.parent
            if directory in self._local:
                self._journal.drop(self._local, directory)

    def _completed_quietly(self, rank: int, inode: Inode) -> None:
        with suppress(OSError):  # Nobody is there to be told.
            self._complete(rank, inode, self._now + 1)

    def _unlink(self, rank: int, operation: Unlink, now: int) -> Any:
        place = self._place(rank, operation.path, operation.at)
        if place is not None and place[1] in place[0].entries and not self._options.delete:
            raise failure(errno.EPERM)
        writing = self._unfinished(rank, place)
        if writing is not None:
            self._uploads.end(writing)
            if place is not None and place[1] not in place[0].entries:
                return None
        given = self._server.perform(rank, operation, now)
        if place is not None and self._options.directories != "marker":
            self._prune(rank, place[0], now)
        return given

    def _rename(self, rank: int, operation: Rename, now: int) -> Any:
        source = self._place(rank, operation.source, operation.source_at)
        target = self._place(rank, operation.target, operation.target_at)
        if source is None or target is None:
            return self._server.perform(rank, operation, now)
        writing = self._unfinished(rank, source)
        if writing is not None:
            self._complete(rank, writing, now)
        inode = source[0].entries.get(source[1])
        is_directory = inode is not None and inode.entries is not NO_ENTRIES
        how = self._options.rename_directory if is_directory else self._options.rename_file
        if how in _REFUSED:
            raise failure(_REFUSED[how] if inode is not None else errno.ENOENT)
        if how == "atomic":
            return self._server.perform(rank, operation, now)
        return self._renames.go_on(rank, operation, _joined(*source), _joined(*target), now)

    def _symlink(self, rank: int, operation: Symlink, now: int) -> Any:
        if not self._options.symbolic_links:
            raise failure(errno.EPERM)
        self._server.perform(rank, operation, now)
        self._linked = True

    # -- directories --------------------------------------------------------------------------------------------

    def _mkdir(self, rank: int, operation: Mkdir, now: int) -> Any:
        place = self._place(rank, operation.path, operation.at)
        there = place[0].entries.get(place[1]) if place is not None else None
        if there is not None and there.entries is not NO_ENTRIES and not self._sees(rank, there):
            self._journal.put(self._local, there, self._local[there] | {self._node(rank)})
            return
        self._server.perform(rank, operation, now)
        if place is not None and self._options.directories != "marker":
            self._journal.put(self._local, place[0].entries[place[1]], frozenset({self._node(rank)}))

    def _rmdir(self, rank: int, operation: Rmdir, now: int) -> Any:
        place = self._place(rank, operation.path, operation.at)
        there = place[0].entries.get(place[1]) if place is not None else None
        if there is not None and not self._sees(rank, there):
            raise failure(errno.ENOENT)
        self._server.perform(rank, operation, now)
        if there is not None:
            self._journal.drop(self._local, there)

    def _readdir(self, rank: int, operation: Readdir, now: int) -> Any:
        if isinstance(operation.target, str):
            self._require_seen(rank, operation.target, None)
        given = self._server.perform(rank, operation, now)
        if not self._local:
            return given
        hidden = {inode.number for inode in self._local if not self._sees(rank, inode)}
        return tuple(entry for entry in given if entry[2] not in hidden)

    def _stat(self, rank: int, operation: Stat, now: int) -> Any:
        if not isinstance(operation.target, str):
            return self._server.perform(rank, operation, now)
        writing = self._written_here(rank, operation.target, operation.at, follow=operation.follow)
        if writing is not None:
            return attributes_of(writing)
        self._require_seen(rank, operation.target, operation.at)
        return self._server.perform(rank, operation, now)

    def _access(self, rank: int, operation: AccessCheck, now: int) -> Any:
        try:
            if self._written_here(rank, operation.path, operation.at) is not None:
                return True
            self._require_seen(rank, operation.path, operation.at)
        except OSError:
            return False
        return self._server.perform(rank, operation, now)

    def _lock(self, rank: int, operation: Lock, now: int) -> Any:
        return lock_on_node(self._server, self._ranks_per_node, rank, operation, now)

    # -- who sees what ------------------------------------------------------------------------------------------

    def _node(self, rank: int) -> int:
        return rank // self._ranks_per_node

    def _sees(self, rank: int, directory: Inode) -> bool:
        nodes = self._local.get(directory)
        return nodes is None or self._node(rank) in nodes or holds_objects(directory)

    def canonical(self, path: str, *, follow: bool) -> str:
        """The path without symbolic links, the last name's too if ``follow``; itself where it leads nowhere."""
        if self._linked:
            with suppress(OSError):
                place = locate(self._server.tree, self._server.tree.root, parse(path), follow)
                return _joined(place.directory, place.name)
        return path

    def _place(self, rank: int, path: str, at: int | None, *, follow: bool = False) -> tuple[Inode, str] | None:
        """The directory and the name that a path ends with; None where the path leads nowhere. Raises ENOENT."""
        tree = self._server.tree
        try:
            directory, parsed = parent_of(tree, rank, path, at)
            last = directory.entries.get(parsed.last) if follow and self._linked else None
            if last is not None and last.text is not None:
                place = locate(tree, start_of(tree, rank, path, at), parsed, follow)
                directory, parsed = place.directory, parse(place.name)
        except OSError:
            return None
        if self._local:
            above = directory
            while above.parent is not None and above.parent is not above:
                if not self._sees(rank, above):
                    raise failure(errno.ENOENT)
                above = above.parent
        return None if parsed.last in ("", ".", "..") else (directory, parsed.last)

    def _require_seen(self, rank: int, path: str, at: int | None) -> None:
        place = self._place(rank, path, at)
        there = place[0].entries.get(place[1]) if place is not None else None
        if there is not None and not self._sees(rank, there):
            raise failure(errno.ENOENT)

    def _written_here(self, rank: int, path: str, at: int | None, *, follow: bool = True) -> Inode | None:
        """What the rank's node is writing under a name where there is nothing yet."""
        place = self._place(rank, path, at, follow=follow) if self._uploads.open else None
        if place is None or place[1] in place[0].entries:
            return None
        return self._uploads.under(_joined(*place), self._node(rank))

    def _unfinished(self, rank: int, place: tuple[Inode, str] | None) -> Inode | None:
        """What the rank's node is writing there, where that can be renamed and removed before it is closed."""
        if place is None or self._options.unfinished != "moves":
            return None
        return self._uploads.under(_joined(*place), self._node(rank))

    def _prune(self, rank: int, directory: Inode, now: int) -> None:
        """With the last object in it goes a directory that nobody has made."""
        while not directory.entries and directory.links and directory not in self._local:
            above = directory.parent
            if above is None or above is directory:
                return
            self._server.perform(rank, Rmdir(path_of(directory)), now)
            directory = above

    def _remove(self, directory: Inode) -> None:
        for below in list(directory.entries.values()):
            self._remove(below)
        self._server.perform(-1, Rmdir(path_of(directory)), self._now + 1)


def _joined(directory: Inode, name: str) -> str:
    path = path_of(directory)
    return f"{path}/{name}" if path else name


def _no_links(rank: int, operation: Operation, now: int) -> Any:
    """There are no hard ones, nor pipes (link(2), mknod(2), section ERRORS, EPERM)."""
    raise failure(errno.EPERM)
