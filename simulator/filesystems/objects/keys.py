"""The tree of a model as a set of keys: objects put and removed, directories that come and go with them."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from simulator.filesystems.interface import InParts
from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import DIRECTORY, NO_ENTRIES, Inode
from simulator.filesystems.posix.naming import change_directory, create, lose_name
from simulator.filesystems.posix.tree import Tree, new_inode_number, put, save, take
from simulator.filesystems.views.layers import Server
from simulator.operations import Mkdir, Operation, Rename, Rmdir, Unlink


def found(tree: Tree, key: str) -> Inode | None:
    """What is under a key: an object, or the directory that its prefix is taken for."""
    inode: Inode | None = tree.root
    for name in key.split("/") if key else ():
        inode = inode.entries.get(name) if inode is not None else None
    return inode


def put_object(tree: Tree, rank: int, key: str, inode: Inode, now: int) -> None:
    """Put an object under a key, replacing what was there; the directories that it lies in come with it."""
    *prefix, name = key.split("/")
    directory = tree.root
    for part in prefix:
        below = directory.entries.get(part)
        if below is None:
            below = create(tree, rank, directory, part, DIRECTORY | 0o755, now)
            directory.links += 1
        directory = below
    replaced = directory.entries.get(name)
    change_directory(tree, directory, name, now)
    if replaced is not None:
        lose_name(tree, replaced, now)
        take(tree, directory, name, replaced)
    save(tree, inode)
    inode.modified = inode.changed = now
    put(tree, directory, name, inode)


def objects_below(directory: Inode) -> Iterator[str]:
    """The keys of all objects below a directory, relative to it, in order."""
    for name in sorted(directory.entries):
        inode = directory.entries[name]
        if inode.entries is NO_ENTRIES:
            yield name
        else:
            yield from (f"{name}/{key}" for key in objects_below(inode))


def holds_objects(directory: Inode) -> bool:
    """Whether any object lies below a directory."""
    return next(objects_below(directory), None) is not None


Part = tuple[str, str, str]
"""``copy`` or ``delete``, and the keys of the source and the target."""


class Renames:
    """Those that are under way: what is left to be done of each.

    They are not in any journal: what is undone, a judgement say, does not begin any.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._left: dict[tuple[int, Operation], list[Part]] = {}

    def go_on(self, rank: int, operation: Rename, source: str, target: str, now: int) -> None:
        """Do one part. Raises ``InParts`` while something is left, and what rename(2) raises at the start."""
        key = (rank, operation)
        left = self._left.get(key)
        if left is None:
            left = self._left[key] = list(self._parts(rank, source, target, now))
        if left:
            self._do(rank, left.pop(0), now)
        if left:
            raise InParts
        del self._left[key]
        inode = found(self._server.tree, source)
        if inode is not None and inode.entries is not NO_ENTRIES:
            self._remove_empty(rank, source, inode, now)

    def forget(self, rank: int) -> None:
        """The rank's process has ended: what it had not done, nobody does."""
        for key in [key for key in self._left if key[0] == rank]:
            del self._left[key]

    def _parts(self, rank: int, source: str, target: str, now: int) -> Iterator[Part]:
        tree = self._server.tree
        inode, present = found(tree, source), found(tree, target)
        if inode is None:
            raise failure(errno.ENOENT)
        is_directory = inode.entries is not NO_ENTRIES
        if present is not None and (present.entries is not NO_ENTRIES) is not is_directory:
            raise failure(errno.ENOTDIR if is_directory else errno.EISDIR)
        if present is not None and is_directory and present.entries:
            raise failure(errno.ENOTEMPTY)
        if is_directory and (target + "/").startswith(source + "/"):
            raise failure(errno.EINVAL)
        if not is_directory:
            return iter([] if source == target else [("copy", source, target), ("delete", source, target)])
        if present is None:
            self._server.perform(rank, Mkdir(target), now)
        keys = [(f"{source}/{key}", f"{target}/{key}") for key in objects_below(inode)]
        return iter([(what, old, new) for old, new in keys for what in ("copy", "delete")])

    def _do(self, rank: int, part: Part, now: int) -> None:
        what, source, target = part
        inode = found(self._server.tree, source)
        if inode is None or inode.entries is not NO_ENTRIES:
            return  # Somebody else has deleted it.
        if what == "delete":
            self._server.perform(rank, Unlink(source), now)
            return
        copy = Inode(new_inode_number(self._server.tree, rank), inode.mode, now)
        copy.content, copy.text = inode.content, inode.text
        put_object(self._server.tree, rank, target, copy, now)

    def _remove_empty(self, rank: int, path: str, directory: Inode, now: int) -> None:
        for name in sorted(directory.entries):
            below = directory.entries[name]
            if below.entries is not NO_ENTRIES:
                self._remove_empty(rank, f"{path}/{name}", below, now)
        if not directory.entries:
            self._server.perform(rank, Rmdir(path), now)
