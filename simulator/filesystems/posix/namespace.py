"""Operations on names: mkdir, rmdir, unlink, rename, link, symlink, readlink, readdir.

Each is the sequence of checks of Linux (fs/namei.c) in its order, since the order decides which errno is given.
"""

from __future__ import annotations

import errno
from typing import Final

from simulator.filesystems.posix.descriptors import position
from simulator.filesystems.posix.digest import touch
from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import DIRECTORY, NO_ENTRIES, SYMLINK, Inode
from simulator.filesystems.posix.paths import parse
from simulator.filesystems.posix.tree import Tree, new_inode_number, put, save, save_description, take
from simulator.filesystems.posix.walk import child, described, lookup, parent_of
from simulator.operations import (
    Link,
    Mkdir,
    Mode,
    Readdir,
    Readlink,
    Rename,
    Rmdir,
    Symlink,
    Unlink,
    attributes,
    change_time,
    links,
    listing,
    modification_time,
    name_in,
)

READ: Final = Mode.READ
UPDATE: Final = Mode.UPDATE
WRITE: Final = Mode.WRITE

_SETGID: Final = 0o2000
_KIND: Final = 0o170000


def mkdir(tree: Tree, rank: int, operation: Mkdir, now: int) -> None:
    """Of the mode, only permissions and the sticky bit count (mkdir(2))."""
    directory, name = _free_name(tree, rank, operation.path, operation.at, may_be_directory=True)
    create(tree, rank, directory, name, DIRECTORY | operation.mode & 0o1777, now)
    directory.links += 1
    if tree.accesses is not None:
        tree.accesses.append((links(directory.number), UPDATE))


def symlink(tree: Tree, rank: int, operation: Symlink, now: int) -> None:
    """The text may be anything but empty."""
    if not operation.text:
        raise failure(errno.ENOENT)
    parse(operation.text)
    directory, name = _free_name(tree, rank, operation.path, operation.at)
    create(tree, rank, directory, name, SYMLINK | 0o777, now, operation.text)


def link(tree: Tree, rank: int, operation: Link, now: int) -> None:
    """One more name for a file or a symbolic link."""
    inode = lookup(tree, rank, operation.source, operation.source_at, operation.follow)
    directory, name = _free_name(tree, rank, operation.target, operation.target_at)
    _require_alive(tree, directory)
    if inode.entries is not NO_ENTRIES:
        raise failure(errno.EPERM)
    save(tree, inode)
    inode.links += 1
    inode.changed = now
    touch(inode)
    _change_directory(tree, directory, name, now)
    put(tree, directory, name, inode)
    if tree.accesses is not None:
        tree.accesses += [(links(inode.number), UPDATE), (change_time(inode.number), UPDATE)]


def unlink(tree: Tree, rank: int, operation: Unlink, now: int) -> None:
    """A file without names lives on while it is open."""
    directory, path = parent_of(tree, rank, operation.path, operation.at)
    name = path.last
    if name in ("", ".", ".."):
        raise failure(errno.EISDIR)
    inode = _present(tree, directory, name)
    if inode.entries is not NO_ENTRIES:
        raise failure(errno.EISDIR)
    if path.slash:
        raise failure(errno.ENOTDIR)
    _change_directory(tree, directory, name, now)
    _lose_name(tree, inode, now)
    take(tree, directory, name, inode)


def rmdir(tree: Tree, rank: int, operation: Rmdir, now: int) -> None:
    """The directory must be empty."""
    directory, path = parent_of(tree, rank, operation.path, operation.at)
    name = path.last
    if name in ("", ".", ".."):
        raise failure({"": errno.EBUSY, ".": errno.EINVAL, "..": errno.ENOTEMPTY}[name])
    inode = _present(tree, directory, name)
    if inode.entries is NO_ENTRIES:
        raise failure(errno.ENOTDIR)
    _require_empty(tree, inode)
    _change_directory(tree, directory, name, now)
    _remove_directory(tree, directory, inode, now)
    take(tree, directory, name, inode)


def rename(tree: Tree, rank: int, operation: Rename, now: int) -> None:
    """Replaces a file, or an empty directory by a directory."""
    old, source = parent_of(tree, rank, operation.source, operation.source_at)
    new, target = parent_of(tree, rank, operation.target, operation.target_at)
    if source.last in ("", ".", "..") or target.last in ("", ".", ".."):
        raise failure(errno.EBUSY)
    inode = _present(tree, old, source.last)
    _require_alive(tree, new)
    replaced = child(tree, new, target.last)
    if inode.entries is NO_ENTRIES and (source.slash or target.slash):
        raise failure(errno.ENOTDIR)
    if old is not new:
        if inode.entries is not NO_ENTRIES and _is_above(tree, inode, new):
            raise failure(errno.EINVAL)
        if replaced is not None and replaced.entries is not NO_ENTRIES and _is_above(tree, replaced, old):
            raise failure(errno.ENOTEMPTY)
    if replaced is inode:
        return
    if replaced is not None:
        _require_replaceable(tree, inode, replaced)
    _move(tree, (old, source.last, inode), (new, target.last, replaced), now)


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


def create(tree: Tree, rank: int, directory: Inode, name: str, mode: int, now: int, text: str | None = None) -> Inode:
    """Make a new inode under a free name. Raises ENOENT in a removed directory.

    In a directory with the set-group-ID bit it gets the directory's group, and a directory the bit as well (inode(7)).
    """
    _require_alive(tree, directory)
    gid = 0
    if directory.mode & _SETGID:
        gid = directory.gid
        if mode & DIRECTORY:
            mode |= _SETGID
    inode = Inode(new_inode_number(tree, rank), mode, now, gid, text)
    _change_directory(tree, directory, name, now)
    put(tree, directory, name, inode)
    if tree.accesses is not None:
        # Nobody can know the inode yet, but when it was made may be compared with when another one was.
        tree.accesses.append((modification_time(inode.number), UPDATE))
    return inode


def _free_name(tree: Tree, rank: int, path: str, at: int | None, may_be_directory: bool = False) -> tuple[Inode, str]:
    """Where a new name goes. Raises EEXIST, and ENOENT if a slash asks for a directory that this will not be."""
    directory, parsed = parent_of(tree, rank, path, at)
    name = parsed.last
    if name in ("", ".", "..") or child(tree, directory, name) is not None:
        raise failure(errno.EEXIST)
    if parsed.slash and not may_be_directory:
        raise failure(errno.ENOENT)
    return directory, name


def _present(tree: Tree, directory: Inode, name: str) -> Inode:
    inode = child(tree, directory, name)
    if inode is None:
        raise failure(errno.ENOENT)
    return inode


def _require_alive(tree: Tree, directory: Inode) -> None:
    if tree.accesses is not None:
        tree.accesses.append((attributes(directory.number), READ))
    if not directory.links:
        raise failure(errno.ENOENT)


def _require_empty(tree: Tree, directory: Inode) -> None:
    if tree.accesses is not None:
        tree.accesses.append((listing(directory.number), READ))
    if directory.entries:
        raise failure(errno.ENOTEMPTY)


def _require_replaceable(tree: Tree, inode: Inode, replaced: Inode) -> None:
    if inode.entries is NO_ENTRIES:
        if replaced.entries is not NO_ENTRIES:
            raise failure(errno.EISDIR)
    elif replaced.entries is NO_ENTRIES:
        raise failure(errno.ENOTDIR)
    else:
        _require_empty(tree, replaced)


def _is_above(tree: Tree, upper: Inode, lower: Inode) -> bool:
    """Whether ``lower`` is ``upper`` or somewhere below it."""
    while lower is not upper:
        if tree.accesses is not None:
            tree.accesses.append((name_in(lower.number, ".."), READ))
        assert lower.parent is not None
        if lower.parent is lower:
            return False
        lower = lower.parent
    return True


def _change_directory(tree: Tree, directory: Inode, name: str, now: int) -> None:
    """A name of the directory is about to change."""
    save(tree, directory)
    directory.modified = directory.changed = now
    if tree.accesses is not None:
        number = directory.number
        tree.accesses += [
            (name_in(number, name), WRITE), (listing(number), UPDATE), (modification_time(number), UPDATE)
        ]  # fmt: skip


def _lose_name(tree: Tree, inode: Inode, now: int) -> None:
    """A file is about to lose a name."""
    save(tree, inode)
    inode.links -= 1
    inode.changed = now
    if inode.more:
        touch(inode)
    if tree.accesses is not None:
        tree.accesses += [(links(inode.number), UPDATE), (change_time(inode.number), UPDATE)]


def _remove_directory(tree: Tree, parent: Inode, inode: Inode, now: int) -> None:
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


def _move(tree: Tree, source: tuple[Inode, str, Inode], target: tuple[Inode, str, Inode | None], now: int) -> None:
    """Carry out a rename that has been found possible."""
    old, old_name, inode = source
    new, new_name, replaced = target
    _change_directory(tree, old, old_name, now)
    _change_directory(tree, new, new_name, now)
    if replaced is not None:
        if replaced.entries is NO_ENTRIES:
            _lose_name(tree, replaced, now)
        else:
            _remove_directory(tree, new, replaced, now)
        take(tree, new, new_name, replaced)
    save(tree, inode)
    inode.changed = now
    take(tree, old, old_name, inode)
    put(tree, new, new_name, inode)
    if tree.accesses is not None:
        tree.accesses.append((change_time(inode.number), UPDATE))
    if inode.entries is not NO_ENTRIES and old is not new:
        old.links -= 1
        new.links += 1
        if tree.accesses is not None:
            tree.accesses += [
                (name_in(inode.number, ".."), WRITE), (links(old.number), UPDATE), (links(new.number), UPDATE)
            ]  # fmt: skip
