"""flock(2): advisory locks of whole files, held by open file descriptions."""

from __future__ import annotations

import errno
import fcntl
from typing import Final

from simulator.filesystems.interface import WouldBlock
from simulator.filesystems.posix.descriptors import Description, own_lock
from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.tree import Tree, save, save_description
from simulator.filesystems.posix.walk import described
from simulator.operations import Lock, Mode, lock as lock_of

_KINDS: Final = (fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_UN)


def lock(tree: Tree, rank: int, operation: Lock, now: int) -> None:
    """flock(2). Raises EWOULDBLOCK with LOCK_NB and ``WouldBlock`` without it, where another holder conflicts."""
    kind = operation.how & ~fcntl.LOCK_NB
    if kind not in _KINDS:
        raise failure(errno.EINVAL)
    description = described(tree, rank, operation.fd)
    if description.path_only:
        raise failure(errno.EBADF)
    if tree.accesses is not None:
        mode = Mode.READ if description.lock == kind else Mode.WRITE
        tree.accesses.append((own_lock(rank, description), mode))
    if description.lock == kind:
        return
    if description.lock:
        drop_lock(tree, description)
    if kind == fcntl.LOCK_UN:
        return
    inode = description.inode
    if conflicting(description, kind):
        if tree.accesses is not None:
            tree.accesses.append((lock_of(inode.number), Mode.READ))
        raise failure(errno.EWOULDBLOCK) if operation.how & fcntl.LOCK_NB else WouldBlock()
    save(tree, inode)
    save_description(tree, description)
    inode.locks += (description,)
    description.lock = kind
    _record(tree, description)


def conflicting(description: Description, kind: int) -> bool:
    """Whether somebody else holds a lock that keeps this description from having one of this kind."""
    return any(
        holder is not description and (kind == fcntl.LOCK_EX or holder.lock == fcntl.LOCK_EX)
        for holder in description.inode.locks
    )


def drop_lock(tree: Tree, description: Description) -> None:
    """Let the description's lock go."""
    inode = description.inode
    _record(tree, description)
    save(tree, inode)
    save_description(tree, description)
    inode.locks = tuple(holder for holder in inode.locks if holder is not description)
    description.lock = 0


def _record(tree: Tree, description: Description) -> None:
    """Shared locks are taken and dropped in any order alike; an exclusive one orders everybody."""
    if tree.accesses is not None:
        mode = Mode.UPDATE if description.lock == fcntl.LOCK_SH else Mode.WRITE
        tree.accesses.append((lock_of(description.inode.number), mode))
