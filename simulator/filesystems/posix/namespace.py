"""Operations on names: mkdir, rmdir, unlink, link, symlink, readlink, readdir. Renaming has a module of its own.

Each is the sequence of checks of Linux (fs/namei.c) in its order, since the order decides which errno is given.
"""

from __future__ import annotations

import errno
from typing import Final

from simulator.filesystems.posix.descriptors import position
from simulator.filesystems.posix.digest import touch
from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import DIRECTORY, NO_ENTRIES, PERMISSIONS, PIPE, SYMLINK, Inode
from simulator.filesystems.posix.naming import (
    READ,
    UPDATE,
    WRITE,
    change_directory,
    create,
    free_name,
    lose_name,
    present,
    remove_directory,
    require_alive,
    require_empty,
    require_one_device,
)
from simulator.filesystems.posix.paths import parse
from simulator.filesystems.posix.tree import Tree, put, save, save_description, take
from simulator.filesystems.posix.walk import described, lookup, parent_of
from simulator.operations import (
    Link,
    Mkdir,
    Mkfifo,
    Readdir,
    Readlink,
    Rmdir,
    Symlink,
    Unlink,
    change_time,
    links,
    listing,
)

_KIND: Final = 0o170000


def mkdir(tree: Tree, rank: int, operation: Mkdir, now: int) -> None:
    """Of the mode, only permissions and the sticky bit count (mkdir(2))."""
    directory, name = free_name(tree, rank, operation.path, operation.at, may_be_directory=True)
    create(tree, rank, directory, name, DIRECTORY | operation.mode & 0o1777, now)
    directory.links += 1
    if tree.accesses is not None:
        tree.accesses.append((links(directory.number), UPDATE))


def symlink(tree: Tree, rank: int, operation: Symlink, now: int) -> None:
    """The text may be anything but empty."""
    if not operation.text:
        raise failure(errno.ENOENT)
    parse(operation.text)
    directory, name = free_name(tree, rank, operation.path, operation.at)
    create(tree, rank, directory, name, SYMLINK | 0o777, now, operation.text)


def mkfifo(tree: Tree, rank: int, operation: Mkfifo, now: int) -> None:
    """A pipe with a name; it holds nothing."""
    directory, name = free_name(tree, rank, operation.path, operation.at)
    create(tree, rank, directory, name, PIPE | operation.mode & PERMISSIONS, now)


def link(tree: Tree, rank: int, operation: Link, now: int) -> None:
    """One more name for a file or a symbolic link."""
    inode = lookup(tree, rank, operation.source, operation.source_at, operation.follow)
    directory, name = free_name(tree, rank, operation.target, operation.target_at)
    require_one_device(inode, directory)
    require_alive(tree, directory)
    if inode.entries is not NO_ENTRIES:
        raise failure(errno.EPERM)
    save(tree, inode)
    inode.links += 1
    inode.changed = now
    touch(inode)
    change_directory(tree, directory, name, now)
    put(tree, directory, name, inode)
    if tree.accesses is not None:
        tree.accesses += [(links(inode.number), UPDATE), (change_time(inode.number), UPDATE)]


def unlink(tree: Tree, rank: int, operation: Unlink, now: int) -> None:
    """A file without names lives on while it is open."""
    directory, path = parent_of(tree, rank, operation.path, operation.at)
    name = path.last
    if name in ("", ".", ".."):
        raise failure(errno.EISDIR)
    inode = present(tree, directory, name)
    if inode.entries is not NO_ENTRIES:
        raise failure(errno.EISDIR)
    if path.slash:
        raise failure(errno.ENOTDIR)
    change_directory(tree, directory, name, now)
    lose_name(tree, inode, now)
    take(tree, directory, name, inode)


def rmdir(tree: Tree, rank: int, operation: Rmdir, now: int) -> None:
    """The directory must be empty."""
    directory, path = parent_of(tree, rank, operation.path, operation.at)
    name = path.last
    if name in ("", ".", ".."):
        raise failure({"": errno.EBUSY, ".": errno.EINVAL, "..": errno.ENOTEMPTY}[name])
    inode = present(tree, directory, name)
    if inode.entries is NO_ENTRIES:
        raise failure(errno.ENOTDIR)
    require_empty(tree, inode)
    change_directory(tree, directory, name, now)
    remove_directory(tree, directory, inode, now)
    take(tree, directory, name, inode)


def readlink(tree: Tree, rank: int, operation: Readlink, now: int) -> str:
    """The text of a symbolic link; with an empty path that of the link that the descriptor is open on."""
    if operation.at is not None and not operation.path:
        inode = described(tree, rank, operation.at).inode
        if inode.text is None:
            raise failure(errno.ENOENT)
    else:
        inode = lookup(tree, rank, operation.path, operation.at, follow=False)
        if inode.text is None:
            raise failure(errno.EINVAL)
    return inode.text


def readdir(tree: Tree, rank: int, operation: Readdir, now: int) -> tuple[tuple[str, int, int], ...]:
    """One scan of a directory, in order of names. In a removed one it finds nothing, as the C library has it."""
    target = operation.target
    if isinstance(target, str):
        inode = lookup(tree, rank, target, None, follow=True)
        if inode.entries is NO_ENTRIES:
            raise failure(errno.ENOTDIR)
    else:
        inode = _scanned(tree, rank, target)
    entries = inode.entries
    if tree.accesses is not None:
        tree.accesses.append((listing(inode.number), READ))
    return tuple([(name, entries[name].mode & _KIND, entries[name].number) for name in sorted(entries)])


def _scanned(tree: Tree, rank: int, number: int) -> Inode:
    """The directory of a descriptor that is read from the start and put back there, as fdopendir users do."""
    description = described(tree, rank, number)
    if description.inode.entries is NO_ENTRIES:
        raise failure(errno.ENOTDIR)
    if description.path_only:
        raise failure(errno.EBADF)
    save_description(tree, description)
    description.position = 0
    if tree.accesses is not None:
        tree.accesses.append((position(rank, description), WRITE))
    return description.inode
