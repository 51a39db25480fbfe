"""Operations on what is known about an inode: stat, access, chmod, chown, utime, statvfs.

There are no permission checks: the simulated ranks are root, as training containers mostly are. Access times move by
utime only, as on a file system that is mounted with noatime; so reading a file changes nothing.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from simulator.filesystems.interface import DIRECTORY_SIZE, VOLUME, Attributes
from simulator.filesystems.posix.content import size_of
from simulator.filesystems.posix.digest import touch
from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import NO_ENTRIES, PERMISSIONS, Inode
from simulator.filesystems.posix.scratch import is_in_scratch
from simulator.filesystems.posix.tree import Tree, save
from simulator.filesystems.posix.walk import described, lookup
from simulator.operations import (
    AccessCheck,
    Chmod,
    Chown,
    Mode,
    Setxattr,
    Stat,
    Statvfs,
    Utime,
    attributes,
    change_time,
    data,
    modification_time,
)

READ: Final = Mode.READ
UPDATE: Final = Mode.UPDATE
WRITE: Final = Mode.WRITE

_ANY_EXECUTE: Final = 0o111
_GROUP_EXECUTE: Final = 0o010
_SETUID: Final = 0o4000
_SETGID: Final = 0o2000


def stat(tree: Tree, rank: int, operation: Stat, now: int) -> Attributes:
    """The system calls stat, lstat and fstat."""
    target = operation.target
    if isinstance(target, str):
        inode = lookup(tree, rank, target, operation.at, operation.follow)
    else:
        inode = described(tree, rank, target).inode
    text = inode.text
    if inode.entries is not NO_ENTRIES:
        size = DIRECTORY_SIZE
    else:
        size = size_of(inode.content) if text is None else len(os.fsencode(text))
    if tree.accesses is not None:
        tree.accesses.append((attributes(inode.number), READ))
        if inode.entries is NO_ENTRIES and text is None:
            tree.accesses.append((data(inode.number), READ))
    device = 2 if is_in_scratch(inode) else 1
    return Attributes(
        inode.mode, inode.number, inode.links, size, inode.uid, inode.gid, device, inode.accessed, inode.modified,
        inode.changed,
    )  # fmt: skip


def access(tree: Tree, rank: int, operation: AccessCheck, now: int) -> bool:
    """As root: everything that exists may be read and written, and executed if anybody may execute it."""
    try:
        inode = lookup(tree, rank, operation.path, operation.at, operation.follow)
    except OSError:
        return False
    if not operation.mode & os.X_OK or inode.entries is not NO_ENTRIES:
        return True
    if tree.accesses is not None:
        tree.accesses.append((attributes(inode.number), READ))
    return inode.mode & _ANY_EXECUTE != 0


def chmod(tree: Tree, rank: int, operation: Chmod, now: int) -> None:
    """The system calls chmod and fchmod."""
    inode = _changeable(tree, rank, operation)
    if inode.text is not None:
        raise failure(errno.EOPNOTSUPP)
    _change(tree, inode, now)
    inode.mode = inode.mode & ~PERMISSIONS | operation.mode & PERMISSIONS


def chown(tree: Tree, rank: int, operation: Chown, now: int) -> None:
    """A file loses the set-user-ID bit, and if it is executable the set-group-ID bit too (chown(2))."""
    inode = _changeable(tree, rank, operation)
    _change(tree, inode, now)
    if operation.uid >= 0:
        inode.uid = operation.uid
    if operation.gid >= 0:
        inode.gid = operation.gid
    if inode.entries is NO_ENTRIES and inode.text is None:
        inode.mode &= ~(_SETUID | _SETGID) if inode.mode & _GROUP_EXECUTE else ~_SETUID


def setxattr(tree: Tree, rank: int, operation: Setxattr, now: int) -> None:
    """The system calls setxattr and removexattr. Only that the file's attributes change is modelled."""
    _change(tree, _changeable(tree, rank, operation), now)


def utime(tree: Tree, rank: int, operation: Utime, now: int) -> None:
    """The system call utimensat."""
    inode = _changeable(tree, rank, operation)
    save(tree, inode)
    times = operation.times
    inode.accessed, inode.modified = (now, now) if times is None else times
    inode.changed = now
    if tree.accesses is not None:
        tree.accesses.append((modification_time(inode.number), UPDATE if times is None else WRITE))


def statvfs(tree: Tree, rank: int, operation: Statvfs, now: int) -> tuple[int, ...]:
    """The library calls statvfs and fstatvfs."""
    if isinstance(operation.target, str):
        lookup(tree, rank, operation.target, None, follow=True)
    else:
        described(tree, rank, operation.target)
    return VOLUME


def _changeable(tree: Tree, rank: int, operation: Chmod | Chown | Setxattr | Utime) -> Inode:
    target = operation.target
    if isinstance(target, str):
        return lookup(tree, rank, target, operation.at, operation.follow)
    description = described(tree, rank, target)
    if description.path_only:
        raise failure(errno.EBADF)
    return description.inode


def _change(tree: Tree, inode: Inode, now: int) -> None:
    """Mode or owner are about to change."""
    save(tree, inode)
    inode.changed = now
    touch(inode)
    if tree.accesses is not None:
        tree.accesses.append((attributes(inode.number), WRITE))
        tree.accesses.append((change_time(inode.number), UPDATE))
