"""Operations on open files: open, close, dup, read, write, seek, truncate, fsync."""

from __future__ import annotations

import errno
import os
from typing import Final

from simulator.filesystems.interface import DirectoryDescriptor
from simulator.filesystems.posix.content import read as read_content, size_of, splice, truncate as truncate_content
from simulator.filesystems.posix.descriptors import (
    Description,
    descriptor,
    free_descriptors,
    position as position_of,
)
from simulator.filesystems.posix.digest import touch
from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import NO_ENTRIES, PERMISSIONS, PIPE, REGULAR, Inode
from simulator.filesystems.posix.locks import drop_lock
from simulator.filesystems.posix.naming import create
from simulator.filesystems.posix.tree import Tree, install, remove, save, save_description
from simulator.filesystems.posix.walk import child, described, locate, lookup, parent_of, start_of
from simulator.operations import (
    Close,
    Dup,
    Extent,
    Fsync,
    Mode,
    Open,
    Read,
    Seek,
    Truncate,
    Write,
    data,
    modification_time,
)

READ: Final = Mode.READ
UPDATE: Final = Mode.UPDATE
WRITE: Final = Mode.WRITE

SIZE_LIMIT: Final = (1 << 63) - 1
"""Largest file, as on tmpfs."""

_TEMPORARY: Final = os.O_TMPFILE & ~os.O_DIRECTORY
_PATH_FLAGS: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_file(tree: Tree, rank: int, operation: Open, now: int) -> int:
    """open(2), openat(2). O_TMPFILE gives EOPNOTSUPP, as file systems do that lack it, so callers take another way."""
    flags = operation.flags
    if flags & os.O_PATH:
        flags &= _PATH_FLAGS
    elif flags & _TEMPORARY:
        raise failure(errno.EOPNOTSUPP)
    if flags & os.O_CREAT:
        inode = _opened_or_created(tree, rank, operation, flags, now)
    else:
        inode = lookup(tree, rank, operation.path, operation.at, not flags & os.O_NOFOLLOW)
        if flags & os.O_DIRECTORY and inode.entries is NO_ENTRIES:
            raise failure(errno.ENOTDIR)
        if not flags & os.O_PATH:
            _require_openable(inode, flags)
            if flags & os.O_TRUNC and inode.entries is NO_ENTRIES:
                _cut(tree, inode, 0, now)
    number = install(tree, rank, Description(inode, flags))
    if tree.accesses is not None:
        tree.accesses += [(free_descriptors(rank), WRITE), (descriptor(rank, number), WRITE)]
    return number if inode.entries is NO_ENTRIES else DirectoryDescriptor(number)


def close(tree: Tree, rank: int, operation: Close, now: int) -> None:
    """With the last descriptor of a description goes its flock."""
    if tree.accesses is not None:
        tree.accesses += [(free_descriptors(rank), WRITE), (descriptor(rank, operation.fd), WRITE)]
    description = remove(tree, rank, operation.fd)
    let_go(tree, description)


def let_go(tree: Tree, description: Description) -> None:
    """A description has one descriptor less."""
    save_description(tree, description)
    description.references -= 1
    if description.lock and not description.references:
        drop_lock(tree, description)


def dup(tree: Tree, rank: int, operation: Dup, now: int) -> int:
    """A further descriptor for the same description."""
    description = described(tree, rank, operation.fd)
    save_description(tree, description)
    description.references += 1
    number = install(tree, rank, description)
    if tree.accesses is not None:
        tree.accesses += [(free_descriptors(rank), WRITE), (descriptor(rank, number), WRITE)]
    return number


def read(tree: Tree, rank: int, operation: Read, now: int) -> bytes:
    """The system calls read and pread."""
    offset = operation.offset
    if offset is not None and offset < 0:
        raise failure(errno.EINVAL)
    description = _usable(tree, rank, operation.fd)
    inode = description.inode
    if not description.readable:
        raise failure(errno.EBADF)
    if inode.entries is not NO_ENTRIES:
        raise failure(errno.EISDIR)
    if tree.accesses is not None:
        tree.accesses.append((data(inode.number), READ))
        if offset is None:
            tree.accesses.append((position_of(rank, description), WRITE))
    if offset is not None:
        return read_content(inode.content, offset, operation.size)
    found = read_content(inode.content, description.position, operation.size)
    save_description(tree, description)
    description.position += len(found)
    return found


def write(tree: Tree, rank: int, operation: Write, now: int) -> int:
    """The system calls write and pwrite. With O_APPEND both write at the end (pwrite(2), section BUGS)."""
    offset = operation.offset
    if offset is not None and offset < 0:
        raise failure(errno.EINVAL)
    description = _usable(tree, rank, operation.fd)
    if not description.writable:
        raise failure(errno.EBADF)
    inode = description.inode
    written = operation.data
    length = written.size if isinstance(written, Extent) else len(written)
    if tree.accesses is not None and offset is None:
        tree.accesses.append((position_of(rank, description), WRITE))
    if not length:
        return 0
    start = description.position if offset is None else offset
    if description.append:
        start = size_of(inode.content)
    if start + length > SIZE_LIMIT:
        raise failure(errno.EFBIG)
    save(tree, inode)
    inode.content = splice(inode.content, start, written)
    inode.token = None
    inode.modified = inode.changed = now
    touch(inode)
    if offset is None:
        save_description(tree, description)
        description.position = start + length
    if tree.accesses is not None:
        tree.accesses += [(data(inode.number), WRITE), (modification_time(inode.number), UPDATE)]
    return length


def seek(tree: Tree, rank: int, operation: Seek, now: int) -> int:
    """A file counts as all data, which lseek(2) allows: SEEK_HOLE finds the end. Directories have none."""
    description = _usable(tree, rank, operation.fd)
    inode = description.inode
    offset, whence = operation.offset, operation.whence
    if tree.accesses is not None:
        tree.accesses.append((position_of(rank, description), WRITE))
        if whence not in (os.SEEK_SET, os.SEEK_CUR) and inode.entries is NO_ENTRIES:
            tree.accesses.append((data(inode.number), READ))
    if whence == os.SEEK_SET:
        position = offset
    elif whence == os.SEEK_CUR:
        position = description.position + offset
    elif whence == os.SEEK_END and inode.entries is NO_ENTRIES:
        position = size_of(inode.content) + offset
    elif whence in (os.SEEK_DATA, os.SEEK_HOLE):
        if not 0 <= offset < size_of(inode.content):
            raise failure(errno.ENXIO)
        position = offset if whence == os.SEEK_DATA else size_of(inode.content)
    else:
        raise failure(errno.EINVAL)
    if not 0 <= position <= SIZE_LIMIT:
        raise failure(errno.EINVAL)
    save_description(tree, description)
    description.position = position
    return position


def truncate(tree: Tree, rank: int, operation: Truncate, now: int) -> None:
    """The system calls truncate and ftruncate. The times move even if the size does not (measured on Linux 6.18)."""
    target, size = operation.target, operation.size
    if size < 0:
        raise failure(errno.EINVAL)
    if isinstance(target, str):
        inode = lookup(tree, rank, target, None, follow=True)
        if inode.entries is not NO_ENTRIES:
            raise failure(errno.EISDIR)
        if inode.mode & PIPE:
            raise failure(errno.EINVAL)
    else:
        description = _usable(tree, rank, target)
        inode = description.inode
        if not description.writable:
            raise failure(errno.EINVAL)
    if size > SIZE_LIMIT:
        raise failure(errno.EFBIG)
    _cut(tree, inode, size, now)


def fsync(tree: Tree, rank: int, operation: Fsync, now: int) -> None:
    """Here everything is durable anyway."""
    _usable(tree, rank, operation.fd)


def _opened_or_created(tree: Tree, rank: int, operation: Open, flags: int, now: int) -> Inode:
    if flags & os.O_DIRECTORY:
        raise failure(errno.EINVAL)
    directory, path = parent_of(tree, rank, operation.path, operation.at)
    name = path.last
    if name in ("", ".", ".."):
        raise failure(errno.EEXIST if flags & os.O_EXCL else errno.EISDIR)
    if path.slash:
        raise failure(errno.EISDIR)
    inode = child(tree, directory, name)
    if inode is not None and inode.text is not None and not flags & (os.O_NOFOLLOW | os.O_EXCL):
        start = start_of(tree, rank, operation.path, operation.at)
        place = locate(tree, start, path, follow=True, creating=True)
        directory, name, inode = place.directory, place.name, place.inode
    if inode is None:
        return create(tree, rank, directory, name, REGULAR | operation.mode & PERMISSIONS, now)
    if flags & os.O_EXCL:
        raise failure(errno.EEXIST)
    if inode.entries is not NO_ENTRIES:
        raise failure(errno.EISDIR)
    _require_openable(inode, flags)
    if flags & os.O_TRUNC:
        _cut(tree, inode, 0, now)
    return inode


def _require_openable(inode: Inode, flags: int) -> None:
    if inode.text is not None:
        raise failure(errno.ELOOP)
    if inode.entries is not NO_ENTRIES and (flags & os.O_ACCMODE != os.O_RDONLY or flags & os.O_TRUNC):
        raise failure(errno.EISDIR)
    if inode.mode & PIPE:
        # Every other kind that there is has this bit unset. Waiting for the other end is refused by the boundary.
        raise failure(errno.ENXIO)


def _usable(tree: Tree, rank: int, number: int) -> Description:
    """What a descriptor stands for, if it may be used for more than to name a file. Raises EBADF."""
    description = described(tree, rank, number)
    if description.path_only:
        raise failure(errno.EBADF)
    return description


def _cut(tree: Tree, inode: Inode, size: int, now: int) -> None:
    save(tree, inode)
    inode.content = truncate_content(inode.content, size)
    inode.token = None
    inode.modified = inode.changed = now
    touch(inode)
    if tree.accesses is not None:
        tree.accesses += [(data(inode.number), WRITE), (modification_time(inode.number), UPDATE)]
