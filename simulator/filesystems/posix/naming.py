"""The steps that operations on names have in common: what must hold of a name, and what changes with it."""

from __future__ import annotations

import errno
from typing import Final

from simulator.filesystems.posix.digest import touch
from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import DIRECTORY, Inode
from simulator.filesystems.posix.scratch import is_in_scratch
from simulator.filesystems.posix.tree import Tree, new_inode_number, put, save
from simulator.filesystems.posix.walk import child, parent_of
from simulator.operations import Mode, attributes, change_time, links, listing, modification_time, name_in

READ: Final = Mode.READ
UPDATE: Final = Mode.UPDATE
WRITE: Final = Mode.WRITE

_SETGID: Final = 0o2000


def create(tree: Tree, rank: int, directory: Inode, name: str, mode: int, now: int, text: str | None = None) -> Inode:
    """Make a new inode under a free name. Raises ENOENT in a removed directory.

    In a directory with the set-group-ID bit it gets the directory's group, and a directory the bit as well (inode(7)).
    """
    require_alive(tree, directory)
    gid = 0
    if directory.mode & _SETGID:
        gid = directory.gid
        if mode & DIRECTORY:
            mode |= _SETGID
    inode = Inode(new_inode_number(tree, rank, directory), mode, now, gid, text)
    change_directory(tree, directory, name, now)
    put(tree, directory, name, inode)
    if tree.accesses is not None:
        # Nobody can know the inode yet, but when it was made may be compared with when another one was.
        tree.accesses.append((modification_time(inode.number), UPDATE))
    return inode


def free_name(tree: Tree, rank: int, path: str, at: int | None, may_be_directory: bool = False) -> tuple[Inode, str]:
    """Where a new name goes. Raises EEXIST, and ENOENT if a slash asks for a directory that this will not be."""
    directory, parsed = parent_of(tree, rank, path, at)
    name = parsed.last
    if name in ("", ".", "..") or child(tree, directory, name) is not None:
        raise failure(errno.EEXIST)
    if parsed.slash and not may_be_directory:
        raise failure(errno.ENOENT)
    return directory, name


def require_one_device(first: Inode, second: Inode) -> None:
    """Raise EXDEV where one of two inodes is in a scratch and the other is not."""
    if is_in_scratch(first) != is_in_scratch(second):
        raise failure(errno.EXDEV)


def present(tree: Tree, directory: Inode, name: str) -> Inode:
    """What a name leads to. Raises ENOENT."""
    inode = child(tree, directory, name)
    if inode is None:
        raise failure(errno.ENOENT)
    return inode


def require_alive(tree: Tree, directory: Inode) -> None:
    """Raises ENOENT in a removed directory, in which nothing can be made."""
    if tree.accesses is not None:
        tree.accesses.append((attributes(directory.number), READ))
    if not directory.links:
        raise failure(errno.ENOENT)


def require_empty(tree: Tree, directory: Inode) -> None:
    """Raises ENOTEMPTY."""
    if tree.accesses is not None:
        tree.accesses.append((listing(directory.number), READ))
    if directory.entries:
        raise failure(errno.ENOTEMPTY)


def change_directory(tree: Tree, directory: Inode, name: str, now: int) -> None:
    """A name of the directory is about to change."""
    save(tree, directory)
    directory.modified = directory.changed = now
    if tree.accesses is not None:
        number = directory.number
        tree.accesses += [
            (name_in(number, name), WRITE), (listing(number), UPDATE), (modification_time(number), UPDATE)
        ]  # fmt: skip


def lose_name(tree: Tree, inode: Inode, now: int) -> None:
    """A file is about to lose a name."""
    save(tree, inode)
    inode.links -= 1
    inode.changed = now
    if inode.more:
        touch(inode)
    if tree.accesses is not None:
        tree.accesses += [(links(inode.number), UPDATE), (change_time(inode.number), UPDATE)]


def remove_directory(tree: Tree, parent: Inode, inode: Inode, now: int) -> None:
    """An empty directory is about to lose its name; its parent has been saved."""
    save(tree, inode)
    inode.links = 0
    inode.changed = now
    parent.links -= 1
    if tree.accesses is not None:
        tree.accesses += [
            (attributes(inode.number), WRITE), (links(inode.number), WRITE), (change_time(inode.number), UPDATE),
            (links(parent.number), UPDATE),
        ]  # fmt: skip
