"""pyfakefs as a file system: another implementation of the same interface, as a witness for the POSIX model.

It is 50 to 100 times slower than the model and differs from Linux in places: ``rename`` of a file to ``name/``
succeeds, and a reader that keeps a file open does not see it truncated, for two. Descriptors and inode numbers do not
come from streams of each rank, and there are no footprints, so exhaustive search cannot use it. What it cannot do at
all ends the run with one line that says so.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from io import UnsupportedOperation
from os import strerror
from stat import S_IFDIR, S_IFLNK, S_IFMT, S_IMODE, S_ISDIR
from typing import Any, Final

from simulator.errors import CannotDo
from simulator.filesystems.fake_tree import Stamps, digest_of, named, put_back, saved
from simulator.filesystems.interface import DIRECTORY_SIZE, LINK_TO_ROOT, VOLUME, Attributes, DirectoryDescriptor
from simulator.filesystems.numbering import DescriptorTable
from simulator.operations import (
    AccessCheck,
    Chmod,
    Chown,
    Close,
    Dup,
    Extent,
    Fsync,
    Link,
    Mkdir,
    Open,
    Operation,
    Read,
    Readdir,
    Readlink,
    Rename,
    Rmdir,
    Seek,
    Stat,
    Statvfs,
    Symlink,
    Truncate,
    Unlink,
    Utime,
    Write,
    paths_of,
)

_ROOT: Final = "/root"
"""Where the simulated root lies in the fake file system: not at its top, which knows no ``..``."""

_LARGEST_EXTENT: Final = 1 << 26
_TEMPORARY: Final = os.O_TMPFILE & ~os.O_DIRECTORY
_CHANGES_NOTHING: Final = frozenset({AccessCheck, Close, Fsync, Read, Readdir, Readlink, Seek, Stat, Statvfs})


class PyfakefsFilesystem:
    """A ``Filesystem`` on pyfakefs, empty at first.

    Modification times of directories are kept here, since pyfakefs has none; so is the way back to a mark.
    """

    def __init__(self) -> None:
        from pyfakefs.fake_filesystem import FakeFilesystem, FakeOsModule

        self._filesystem: Any = FakeFilesystem()
        self._filesystem.umask = 0
        self._os: Any = FakeOsModule(self._filesystem)
        self._os.mkdir(_ROOT, 0o755)
        self._tables: dict[int, DescriptorTable[int]] = {}
        self._stamps = Stamps()
        self._stamps.renew(self._objects(), 0)
        self._marks: list[tuple[Any, Any]] = []

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``. Raises CannotDo for what pyfakefs lacks."""
        kind = type(operation)
        action = _ACTIONS.get(kind)
        if action is None:
            raise CannotDo(f"pyfakefs cannot do {kind.__name__.lower()}; use the file system profile local")
        for path in paths_of(operation):
            if path.startswith("/"):
                raise CannotDo(f"pyfakefs has no directory for temporary files ({path}); use the profile local")
        try:
            result = action(self, rank, operation)
        except UnsupportedOperation:
            code = errno.EBADF
        except NotImplementedError as error:
            raise CannotDo(f"pyfakefs cannot do {kind.__name__.lower()} so: {error}") from error
        except OSError as error:
            code = error.errno or errno.EIO
        else:
            if kind not in _CHANGES_NOTHING:
                self._stamps.renew(self._objects(), now)
                if kind is Utime:
                    self._set_times(rank, operation, now)
            return result
        raise OSError(code, strerror(code))

    def release(self, rank: int) -> None:
        """The rank's process has ended: its descriptors close."""
        table = self._tables.pop(rank, None)
        if table is not None:
            for descriptor in set(table.opened.values()):
                self._os.close(descriptor)

    def lose_scratch(self, node: int) -> None:
        """See ``Filesystem.lose_scratch``: there is none."""

    def digest(self) -> int:
        """128 bits that name the tree; costs as much as its whole content."""
        return digest_of(self._root())

    def mark(self) -> int:
        """A mark to come back to. Marks are a stack."""
        self._marks.append((saved(self._filesystem, self._objects()), dict(self._stamps.known)))
        return len(self._marks) - 1

    def rollback(self, mark: int) -> None:
        """Restore the tree as it was at the mark, which is then gone together with all later ones.

        Descriptors are not restored: whoever opened some since then must have been released.
        """
        records, stamps = self._marks[mark]
        del self._marks[mark:]
        put_back(records)
        self._stamps.known = stamps

    def walk_files(self) -> Iterator[tuple[str, Any]]:
        """Every name in the tree with pyfakefs' object for it, in order of names."""
        return named(self._root())

    def mtime_order(self) -> tuple[tuple[str, int], ...]:
        """Every path with the place of its modification time among all that occur, the oldest being 0."""
        known = self._stamps.known
        times = [(path, known[inode].modified) for path, inode in (("", self._root()), *self.walk_files())]
        places = {time: place for place, time in enumerate(sorted({time for _, time in times}))}
        return tuple((path, places[time]) for path, time in times)

    def _open(self, rank: int, operation: Open) -> int:
        flags = operation.flags
        if flags & os.O_PATH:
            raise NotImplementedError("O_PATH")
        if flags & _TEMPORARY:
            raise OSError(errno.EOPNOTSUPP, strerror(errno.EOPNOTSUPP))
        path, mode = self._at(rank, operation.path, operation.at), operation.mode
        if self._os.path.exists(path):
            mode = S_IMODE(self._os.stat(path).st_mode)  # pyfakefs would set the mode of what exists as well
        if flags & os.O_EXCL and not flags & os.O_CREAT:
            flags &= ~os.O_EXCL
        number = self._table(rank).install(self._os.open(path, flags, mode))
        return DirectoryDescriptor(number) if self._os.path.isdir(path) else number

    def _close(self, rank: int, operation: Close) -> None:
        table = self._table(rank)
        descriptor = table.remove(operation.fd)
        if descriptor not in table.opened.values():
            self._os.close(descriptor)

    def _dup(self, rank: int, operation: Dup) -> int:
        # One descriptor of pyfakefs for both: its own dup does not survive that one of them is closed.
        table = self._table(rank)
        return table.install(table.get(operation.fd))

    def _read(self, rank: int, operation: Read) -> bytes:
        descriptor = self._file(rank, operation.fd, errno.EISDIR)
        with _Position(self._os, descriptor, operation.offset):
            size = operation.size if operation.size >= 0 else self._os.fstat(descriptor).st_size
            return bytes(self._os.read(descriptor, size))

    def _write(self, rank: int, operation: Write) -> int:
        descriptor = self._file(rank, operation.fd, errno.EBADF)
        data = operation.data
        if isinstance(data, Extent):
            if data.size > _LARGEST_EXTENT:
                raise CannotDo(f"pyfakefs keeps bytes, and {data.size} bytes are too many; use the profile local")
            data = bytes(data.size)
        with _Position(self._os, descriptor, operation.offset):
            return int(self._os.write(descriptor, data))

    def _seek(self, rank: int, operation: Seek) -> int:
        descriptor = self._file(rank, operation.fd, errno.EINVAL)
        self._os.lseek(descriptor, operation.offset, operation.whence)
        return int(self._filesystem.get_open_file(descriptor).tell())

    def _truncate(self, rank: int, operation: Truncate) -> None:
        if isinstance(operation.target, int):
            self._os.ftruncate(self._file(rank, operation.target, errno.EINVAL), operation.size)
        else:
            self._os.truncate(self._at(rank, operation.target, None), operation.size)

    def _fsync(self, rank: int, operation: Fsync) -> None:
        self._table(rank).get(operation.fd)

    def _stat(self, rank: int, operation: Stat) -> Attributes:
        inode = self._object(rank, operation.target, operation.at, operation.follow)
        found, stamp = inode.stat_result, self._stamps.known[inode]
        size = found.st_size
        if S_ISDIR(found.st_mode):
            size = DIRECTORY_SIZE
        elif S_IFMT(found.st_mode) == S_IFLNK:
            size = len(os.fsencode(_shown(inode.contents)))
        return Attributes(
            found.st_mode, found.st_ino, found.st_nlink, size, found.st_uid, found.st_gid, 1, stamp.accessed,
            stamp.modified, stamp.changed,
        )  # fmt: skip

    def _access(self, rank: int, operation: AccessCheck) -> bool:
        try:
            path = self._at(rank, operation.path, operation.at)
            return bool(self._os.access(path, operation.mode, follow_symlinks=operation.follow))
        except OSError:
            return False

    def _readdir(self, rank: int, operation: Readdir) -> tuple[tuple[str, int, int], ...]:
        inode = self._object(rank, operation.target, None, True)
        if not S_ISDIR(inode.st_mode):
            raise OSError(errno.ENOTDIR, strerror(errno.ENOTDIR))
        entries = sorted(inode.entries.items())
        return tuple((name, S_IFMT(child.st_mode), child.st_ino) for name, child in entries)

    def _mkdir(self, rank: int, operation: Mkdir) -> None:
        self._os.mkdir(self._at(rank, operation.path, operation.at), operation.mode & 0o1777)

    def _rmdir(self, rank: int, operation: Rmdir) -> None:
        self._os.rmdir(self._at(rank, operation.path, operation.at))

    def _unlink(self, rank: int, operation: Unlink) -> None:
        self._os.unlink(self._at(rank, operation.path, operation.at))

    def _rename(self, rank: int, operation: Rename) -> None:
        source = self._at(rank, operation.source, operation.source_at)
        self._os.rename(source, self._at(rank, operation.target, operation.target_at))

    def _link(self, rank: int, operation: Link) -> None:
        source = self._at(rank, operation.source, operation.source_at)
        target = self._at(rank, operation.target, operation.target_at)
        self._os.link(source, target, follow_symlinks=operation.follow)

    def _symlink(self, rank: int, operation: Symlink) -> None:
        text = operation.text
        if text == LINK_TO_ROOT or text.startswith(LINK_TO_ROOT + "/"):
            text = _ROOT + text[len(LINK_TO_ROOT) :]
        self._os.symlink(text, self._at(rank, operation.path, operation.at))

    def _readlink(self, rank: int, operation: Readlink) -> str:
        return _shown(self._os.readlink(self._at(rank, operation.path, operation.at)))

    def _chmod(self, rank: int, operation: Chmod) -> None:
        inode = self._object(rank, operation.target, operation.at, operation.follow)
        if S_IFMT(inode.st_mode) == S_IFLNK:
            raise OSError(errno.EOPNOTSUPP, strerror(errno.EOPNOTSUPP))
        inode.st_mode = S_IFMT(inode.st_mode) | operation.mode

    def _chown(self, rank: int, operation: Chown) -> None:
        inode = self._object(rank, operation.target, operation.at, operation.follow)
        if operation.uid >= 0:
            inode.st_uid = operation.uid
        if operation.gid >= 0:
            inode.st_gid = operation.gid

    def _utime(self, rank: int, operation: Utime) -> None:
        self._object(rank, operation.target, operation.at, operation.follow)

    def _statvfs(self, rank: int, operation: Statvfs) -> tuple[int, ...]:
        self._object(rank, operation.target, None, True)
        return VOLUME

    def _set_times(self, rank: int, operation: Any, now: int) -> None:
        inode = self._object(rank, operation.target, operation.at, operation.follow)
        stamp = self._stamps.known[inode]
        stamp.accessed, stamp.modified = operation.times or (now, now)
        stamp.changed = now

    def _table(self, rank: int) -> DescriptorTable[int]:
        return self._tables.setdefault(rank, DescriptorTable())

    def _file(self, rank: int, number: int, code: int) -> int:
        """The descriptor that pyfakefs has for a file. Raises EBADF, and the errno given for a directory."""
        descriptor = self._table(rank).get(number)
        if S_ISDIR(self._opened(descriptor).st_mode):
            raise OSError(code, strerror(code))
        return descriptor

    def _at(self, rank: int, path: str, at: int | None) -> str:
        """The absolute path in the fake file system."""
        if at is None:
            return f"{_ROOT}/{path}" if path else _ROOT
        inode = self._opened(self._table(rank).get(at))
        if not path:
            raise OSError(errno.ENOENT, strerror(errno.ENOENT))
        if S_IFMT(inode.st_mode) != S_IFDIR:
            raise OSError(errno.ENOTDIR, strerror(errno.ENOTDIR))
        return f"{inode.path}/{path}"

    def _object(self, rank: int, target: str | int, at: int | None, follow: bool) -> Any:
        """Pyfakefs' object behind a path or a descriptor."""
        if isinstance(target, int):
            return self._opened(self._table(rank).get(target))
        path = self._at(rank, target, at)
        self._os.stat(path, follow_symlinks=follow)  # its checks are the stricter ones
        return self._filesystem.resolve(path) if follow else self._filesystem.lresolve(path)

    def _opened(self, descriptor: int) -> Any:
        return self._filesystem.get_open_file(descriptor).get_object()

    def _root(self) -> Any:
        return self._filesystem.resolve(_ROOT)

    def _objects(self) -> Iterator[Any]:
        """All that is named or open, the fake file system's own top included."""
        yield self._filesystem.root
        yield self._root()
        for _, inode in named(self._root()):
            yield inode
        for table in self._tables.values():
            for descriptor in table.opened.values():
                yield self._opened(descriptor)


_ACTIONS: Final[dict[type[Operation], Callable[[PyfakefsFilesystem, int, Any], Any]]] = {
    AccessCheck: PyfakefsFilesystem._access, Chmod: PyfakefsFilesystem._chmod, Chown: PyfakefsFilesystem._chown,
    Close: PyfakefsFilesystem._close, Dup: PyfakefsFilesystem._dup, Fsync: PyfakefsFilesystem._fsync,
    Link: PyfakefsFilesystem._link, Mkdir: PyfakefsFilesystem._mkdir, Open: PyfakefsFilesystem._open,
    Read: PyfakefsFilesystem._read, Readdir: PyfakefsFilesystem._readdir, Readlink: PyfakefsFilesystem._readlink,
    Rename: PyfakefsFilesystem._rename, Rmdir: PyfakefsFilesystem._rmdir, Seek: PyfakefsFilesystem._seek,
    Stat: PyfakefsFilesystem._stat, Statvfs: PyfakefsFilesystem._statvfs, Symlink: PyfakefsFilesystem._symlink,
    Truncate: PyfakefsFilesystem._truncate, Unlink: PyfakefsFilesystem._unlink, Utime: PyfakefsFilesystem._utime,
    Write: PyfakefsFilesystem._write,
}  # fmt: skip
"""No ``Lock``: pyfakefs' flock does nothing."""


class _Position:
    """pread and pwrite, which pyfakefs lacks: go to an offset and come back. Does nothing for None."""

    def __init__(self, fake_os: Any, descriptor: int, offset: int | None) -> None:
        self._os = fake_os
        self._descriptor = descriptor
        self._offset = offset
        self._before = 0

    def __enter__(self) -> None:
        if self._offset is not None:
            if self._offset < 0:
                raise OSError(errno.EINVAL, strerror(errno.EINVAL))
            self._before = self._os.filesystem.get_open_file(self._descriptor).tell()
            self._os.lseek(self._descriptor, self._offset, os.SEEK_SET)

    def __exit__(self, *_: object) -> None:
        if self._offset is not None:
            self._os.lseek(self._descriptor, self._before, os.SEEK_SET)


def _shown(text: str) -> str:
    return LINK_TO_ROOT + text[len(_ROOT) :] if text == _ROOT or text.startswith(_ROOT + "/") else text
