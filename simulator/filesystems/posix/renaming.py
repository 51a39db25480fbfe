"""rename(2): the one operation that touches two directories, and the rules for what may replace what."""

from __future__ import annotations

import errno

from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import NO_ENTRIES, Inode
from simulator.filesystems.posix.naming import (
    READ,
    UPDATE,
    WRITE,
    change_directory,
    lose_name,
    present,
    remove_directory,
    require_alive,
    require_empty,
    require_one_device,
)
from simulator.filesystems.posix.tree import Tree, put, save, take
from simulator.filesystems.posix.walk import child, parent_of
from simulator.operations import Rename, change_time, links, name_in


def rename(tree: Tree, rank: int, operation: Rename, now: int) -> None:
    """Replaces a file, or an empty directory by a directory."""
    old, source = parent_of(tree, rank, operation.source, operation.source_at)
    new, target = parent_of(tree, rank, operation.target, operation.target_at)
    require_one_device(old, new)
    if source.last in ("", ".", "..") or target.last in ("", ".", ".."):
        raise failure(errno.EBUSY)
    inode = present(tree, old, source.last)
    require_alive(tree, new)
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


def _require_replaceable(tree: Tree, inode: Inode, replaced: Inode) -> None:
    if inode.entries is NO_ENTRIES:
        if replaced.entries is not NO_ENTRIES:
            raise failure(errno.EISDIR)
    elif replaced.entries is NO_ENTRIES:
        raise failure(errno.ENOTDIR)
    else:
        require_empty(tree, replaced)


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


def _move(tree: Tree, source: tuple[Inode, str, Inode], target: tuple[Inode, str, Inode | None], now: int) -> None:
    """Carry out a rename that has been found possible."""
    old, old_name, inode = source
    new, new_name, replaced = target
    change_directory(tree, old, old_name, now)
    change_directory(tree, new, new_name, now)
    if replaced is not None:
        if replaced.entries is NO_ENTRIES:
            lose_name(tree, replaced, now)
        else:
            remove_directory(tree, new, replaced, now)
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
