"""A real directory as a file system: each operation is the system call that it names, below a root.

It is what worker processes act on when a failure is confirmed on the metal, and a witness for the POSIX model in
tests. Not everything of a real directory can be confined: see ``RealDirectory``.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from os import strerror
from pathlib import Path
from stat import S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG
from typing import Any, Final

from simulator.filesystems.confinement import confined, link_text, shown_text
from simulator.filesystems.interface import (
    DIRECTORY_SIZE,
    SCRATCH_DIRECTORIES,
    VOLUME,
    Attributes,
    DirectoryDescriptor,
    WouldBlock,
)
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
    Lock,
    Mkdir,
    Mkfifo,
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
)
from simulator.originals import KERNEL, OS

_COARSE_CLOCK: Final = 5
"""CLOCK_REALTIME_COARSE of Linux, by which file systems stamp their inodes; ``time`` has no name for it."""

_NEVER_OPEN: Final = (1 << 31) - 1
_TEMPORARY: Final = os.O_TMPFILE & ~os.O_DIRECTORY
_ZEROS: Final = bytes(1 << 20)
_MOVES_NO_TIME: Final = frozenset({AccessCheck, Close, Dup, Fsync, Lock, Read, Readdir, Readlink, Seek, Stat, Statvfs})


def scratch_beside(root: str | os.PathLike[str], node: int | None = None) -> Path:
    """Where the scratch of a node lies whose root is a real directory, or that of all nodes."""
    every = Path(f"{os.fspath(root)}.scratch")
    return every if node is None else every / f"node{node}"


class RealDirectory:
    """A ``Filesystem`` on the directory ``root``, which must exist. Raises OSError if it does not.

    The modes in operations are final: the umask of this process is put aside. ``now`` means nothing here, the kernel
    stamps by its own clock; with ``ticking``, a change waits until that clock has moved on since the last one, so that
    the order of modification times is the order of changes. ``statvfs`` tells constants, as the model does.

    The scratch of a node (see ``SCRATCH_DIRECTORIES``) is a directory beside the root, made when a rank first looks
    there. It lies on the same device as the root, so that it is here that a rename between the two gives EXDEV.

    Not as in the model: the kernel follows an absolute symbolic link out of the root, and a relative one that climbs
    out of it. Paths that climb out by ``..`` themselves are kept inside.
    """

    def __init__(self, root: str | os.PathLike[str], *, ranks_per_node: int = 1, ticking: bool = False) -> None:
        self._root = str(OS["fspath"](root))
        self._root = os.path.realpath(self._root)
        self._directory: int = OS["open"](self._root, os.O_PATH | os.O_DIRECTORY)
        self._tables: dict[int, DescriptorTable[int]] = {}
        self._ranks_per_node = ranks_per_node
        self._ticking = ticking
        self._changed = 0

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``."""
        kind = type(operation)
        moves_time = self._ticking and kind not in _MOVES_NO_TIME
        if moves_time:
            self.tick()
        try:
            return _ACTIONS[kind](self, rank, operation)
        except WouldBlock:
            raise
        except OSError as error:
            code = error.errno or errno.EIO
        finally:
            if moves_time:
                self._changed = KERNEL["clock_gettime_ns"](time.CLOCK_REALTIME)
        raise OSError(code, strerror(code))

    def release(self, rank: int) -> None:
        """The rank's process has ended: its descriptors close and its locks go."""
        table = self._tables.pop(rank, None)
        if table is not None:
            for descriptor in table.opened.values():
                OS["close"](descriptor)

    def lose_scratch(self, node: int) -> None:
        """See ``Filesystem.lose_scratch``."""
        lost = scratch_beside(self._root, node)
        if lost.exists():
            shutil.rmtree(lost)

    def close(self) -> None:
        """Close everything that is open. The directory stays."""
        for rank in list(self._tables):
            self.release(rank)
        OS["close"](self._directory)

    @property
    def changed(self) -> int:
        """When the latest change was over, on the kernel's clock; 0 before the first one, and without ``ticking``."""
        return self._changed

    def tick(self) -> None:
        """Wait (about 4 ms at most) until a change would get a later time than everything that was changed so far."""
        while KERNEL["clock_gettime_ns"](_COARSE_CLOCK) <= self._changed:
            pass

    def _open(self, rank: int, operation: Open) -> int:
        flags = operation.flags
        if flags & _TEMPORARY and not flags & os.O_PATH:
            raise OSError(errno.EOPNOTSUPP, strerror(errno.EOPNOTSUPP))
        path, at = self._at(rank, operation.path, operation.at)
        with _no_umask():
            # Without waiting for the other end of a pipe; to anything else that says nothing.
            descriptor = OS["open"](path, flags | os.O_NONBLOCK, operation.mode, dir_fd=at)
        kind = S_IFMT(OS["fstat"](descriptor).st_mode)
        if kind == S_IFIFO and not flags & os.O_PATH:
            OS["close"](descriptor)
            raise OSError(errno.ENXIO, strerror(errno.ENXIO))
        number = self._table(rank).install(descriptor)
        return DirectoryDescriptor(number) if kind == S_IFDIR else number

    def _close(self, rank: int, operation: Close) -> None:
        OS["close"](self._real(rank, operation.fd))
        self._table(rank).remove(operation.fd)

    def _dup(self, rank: int, operation: Dup) -> int:
        return self._table(rank).install(OS["dup"](self._real(rank, operation.fd)))

    def _read(self, rank: int, operation: Read) -> bytes:
        descriptor = self._real(rank, operation.fd)
        if operation.size < 0:
            return self._read_all(descriptor, operation.offset)
        if operation.offset is not None:
            return bytes(OS["pread"](descriptor, operation.size, operation.offset))
        return bytes(OS["read"](descriptor, operation.size))

    def _read_all(self, descriptor: int, offset: int | None) -> bytes:
        pieces: list[bytes] = []
        while True:
            size = len(_ZEROS)
            piece = OS["read"](descriptor, size) if offset is None else OS["pread"](descriptor, size, offset)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
            offset = None if offset is None else offset + len(piece)

    def _write(self, rank: int, operation: Write) -> int:
        descriptor = self._real(rank, operation.fd)
        if isinstance(operation.data, Extent):
            return _write_zeros(descriptor, operation.data.size, operation.offset)
        if operation.offset is not None:
            return int(OS["pwrite"](descriptor, operation.data, operation.offset))
        return int(OS["write"](descriptor, operation.data))

    def _seek(self, rank: int, operation: Seek) -> int:
        return int(OS["lseek"](self._real(rank, operation.fd), operation.offset, operation.whence))

    def _truncate(self, rank: int, operation: Truncate) -> None:
        OS["truncate"](self._target(rank, operation.target), operation.size)

    def _fsync(self, rank: int, operation: Fsync) -> None:
        OS["fdatasync" if operation.data_only else "fsync"](self._real(rank, operation.fd))

    def _stat(self, rank: int, operation: Stat) -> Attributes:
        at: int | None
        if isinstance(operation.target, int):
            path, at = "", self._real(rank, operation.target)
            found = OS["fstat"](at)
        else:
            path, at = self._at(rank, operation.target, operation.at)
            found = OS["stat"](path, dir_fd=at, follow_symlinks=operation.follow)
        size = found.st_size
        if S_IFMT(found.st_mode) == S_IFDIR:
            size = DIRECTORY_SIZE
        elif S_IFMT(found.st_mode) == S_IFLNK:
            size = len(os.fsencode(self._shown(OS["readlink"](path, dir_fd=at))))
        return Attributes(
            found.st_mode, found.st_ino, found.st_nlink, size, found.st_uid, found.st_gid,
            2 if self._is_scratch(path, at) else 1, found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns,
        )  # fmt: skip

    def _access(self, rank: int, operation: AccessCheck) -> bool:
        path, at = self._at(rank, operation.path, operation.at)
        return bool(OS["access"](path, operation.mode, dir_fd=at, follow_symlinks=operation.follow))

    def _readdir(self, rank: int, operation: Readdir) -> tuple[tuple[str, int, int], ...]:
        target = self._target(rank, operation.target)
        with OS["scandir"](target) as entries:
            if isinstance(target, int):
                OS["lseek"](target, 0, os.SEEK_SET)
            return tuple(sorted((entry.name, _kind_of(entry), entry.inode()) for entry in entries))

    def _mkdir(self, rank: int, operation: Mkdir) -> None:
        path, at = self._at(rank, operation.path, operation.at, by_name=True)
        with _no_umask():
            OS["mkdir"](path, operation.mode, dir_fd=at)

    def _mkfifo(self, rank: int, operation: Mkfifo) -> None:
        path, at = self._at(rank, operation.path, operation.at, by_name=True)
        with _no_umask():
            OS["mkfifo"](path, operation.mode, dir_fd=at)

    def _rmdir(self, rank: int, operation: Rmdir) -> None:
        if operation.at is None and not operation.path.strip("/"):
            raise OSError(errno.EBUSY, strerror(errno.EBUSY))
        path, at = self._at(rank, operation.path, operation.at, by_name=True)
        OS["rmdir"](path, dir_fd=at)

    def _unlink(self, rank: int, operation: Unlink) -> None:
        path, at = self._at(rank, operation.path, operation.at, by_name=True)
        OS["unlink"](path, dir_fd=at)

    def _rename(self, rank: int, operation: Rename) -> None:
        source, source_at = self._at(rank, operation.source, operation.source_at, by_name=True)
        target, target_at = self._at(rank, operation.target, operation.target_at, by_name=True)
        if self._is_scratch(source, source_at) != self._is_scratch(target, target_at):
            for path, at in ((source, source_at), (target, target_at)):
                OS["stat"](os.path.dirname(path.rstrip("/")) or ".", dir_fd=at)
            raise OSError(errno.EXDEV, strerror(errno.EXDEV))
        OS["rename"](source, target, src_dir_fd=source_at, dst_dir_fd=target_at)

    def _link(self, rank: int, operation: Link) -> None:
        source, source_at = self._at(rank, operation.source, operation.source_at)
        target, target_at = self._at(rank, operation.target, operation.target_at, by_name=True)
        # Without a descriptor os.link calls link(2), which does not follow links whatever it was asked.
        at = self._directory if source_at is None else source_at
        if self._is_scratch(source, source_at) != self._is_scratch(target, target_at):
            OS["stat"](source, dir_fd=source_at, follow_symlinks=False)
            code = errno.EXDEV
            with suppress(FileNotFoundError):
                OS["stat"](target, dir_fd=target_at, follow_symlinks=False)
                code = errno.EEXIST
            raise OSError(code, strerror(code))
        OS["link"](source, target, src_dir_fd=at, dst_dir_fd=target_at, follow_symlinks=operation.follow)

    def _symlink(self, rank: int, operation: Symlink) -> None:
        path, at = self._at(rank, operation.path, operation.at, by_name=True)
        text = link_text(self._root, operation.text)
        if text == operation.text and text.startswith("/") and self._is_scratch(path, at):
            text = f"{self._scratch(rank)}{text}"
        OS["symlink"](text, path, dir_fd=at)

    def _readlink(self, rank: int, operation: Readlink) -> str:
        path, at = self._at(rank, operation.path, operation.at)
        return self._shown(OS["readlink"](path, dir_fd=at))

    def _chmod(self, rank: int, operation: Chmod) -> None:
        if isinstance(operation.target, int):
            OS["fchmod"](self._real(rank, operation.target), operation.mode)
            return
        path, at = self._at(rank, operation.target, operation.at)
        # Where the C library lacks fchmodat2, Python cannot ask not to follow; only links know the difference.
        if not operation.follow and S_IFMT(OS["lstat"](path, dir_fd=at).st_mode) == S_IFLNK:
            raise OSError(errno.EOPNOTSUPP, strerror(errno.EOPNOTSUPP))
        OS["chmod"](path, operation.mode, dir_fd=at)

    def _chown(self, rank: int, operation: Chown) -> None:
        if isinstance(operation.target, int):
            OS["fchown"](self._real(rank, operation.target), operation.uid, operation.gid)
            return
        path, at = self._at(rank, operation.target, operation.at)
        OS["chown"](path, operation.uid, operation.gid, dir_fd=at, follow_symlinks=operation.follow)

    def _utime(self, rank: int, operation: Utime) -> None:
        given = {} if operation.times is None else {"ns": operation.times}
        if isinstance(operation.target, int):
            OS["utime"](self._real(rank, operation.target), **given)
            return
        path, at = self._at(rank, operation.target, operation.at)
        OS["utime"](path, dir_fd=at, follow_symlinks=operation.follow, **given)

    def _lock(self, rank: int, operation: Lock) -> None:
        descriptor = self._real(rank, operation.fd)
        try:
            KERNEL["flock"](descriptor, operation.how | fcntl.LOCK_NB)
        except BlockingIOError:
            if operation.how & fcntl.LOCK_NB:
                raise
            raise WouldBlock from None

    def _statvfs(self, rank: int, operation: Statvfs) -> tuple[int, ...]:
        OS["statvfs"](self._target(rank, operation.target))
        return VOLUME

    def _table(self, rank: int) -> DescriptorTable[int]:
        return self._tables.setdefault(rank, DescriptorTable())

    def _real(self, rank: int, number: int) -> int:
        """The kernel's descriptor; for one that is not open a number that the kernel refuses, in its own order."""
        table = self._tables.get(rank)
        return _NEVER_OPEN if table is None else table.opened.get(number, _NEVER_OPEN)

    def _at(self, rank: int, path: str, at: int | None, *, by_name: bool = False) -> tuple[str, int | None]:
        """What to pass to the kernel: a path, and the directory descriptor to which it is relative.

        ``by_name``: the call changes the last name itself, so the kernel refuses a ``..`` there without following it.
        """
        if at is None:
            if path.startswith("/"):
                return f"{self._scratch(rank)}{path}", None
            if ".." in path:
                path = confined(self._directory, self._directory, path, by_name)
            if not path.strip("/"):
                # For the kernel the simulated root is a directory like any other: "." makes it refuse to change it.
                return (self._root + "/." if by_name else self._root), None
            return f"{self._root}/{path}", None
        if path.startswith("/"):
            path = path.lstrip("/") or "."  # never beyond the root, whoever hands it over
        descriptor = self._real(rank, at)
        if ".." in path:
            path = confined(self._directory, descriptor, path, by_name)
        return path, descriptor

    def _scratch(self, rank: int) -> str:
        """The scratch of the rank's node; who judges in the place of a rank is on that rank's node."""
        place = scratch_beside(self._root, (rank if rank >= 0 else -1 - rank) // self._ranks_per_node)
        for directory in SCRATCH_DIRECTORIES:
            if not OS["access"](f"{place}{directory}", os.F_OK):
                with _no_umask():
                    OS["makedirs"](f"{place}{directory}", 0o755, exist_ok=True)
                    OS["chmod"](f"{place}{directory}", 0o1777)
        return str(place)

    def _is_scratch(self, path: str, at: int | None) -> bool:
        """Whether what is passed to the kernel leads into a scratch."""
        if not path.startswith("/"):
            try:
                path = OS["readlink"](f"/proc/self/fd/{at}")
            except OSError:
                return False
        return path.startswith(f"{scratch_beside(self._root)}/")

    def _shown(self, text: str) -> str:
        """What the text of a link is called by those who know nothing of where the root lies."""
        above = f"{scratch_beside(self._root)}/"
        if text.startswith(above):
            return "/" + text[len(above) :].partition("/")[2]
        return shown_text(self._root, text)

    def _target(self, rank: int, target: str | int) -> str | int:
        return self._real(rank, target) if isinstance(target, int) else self._at(rank, target, None)[0]


_ACTIONS: Final[dict[type[Operation], Callable[[RealDirectory, int, Any], Any]]] = {
    AccessCheck: RealDirectory._access, Chmod: RealDirectory._chmod, Chown: RealDirectory._chown,
    Close: RealDirectory._close, Dup: RealDirectory._dup, Fsync: RealDirectory._fsync, Link: RealDirectory._link,
    Lock: RealDirectory._lock, Mkdir: RealDirectory._mkdir, Mkfifo: RealDirectory._mkfifo,
    Open: RealDirectory._open, Read: RealDirectory._read,
    Readdir: RealDirectory._readdir, Readlink: RealDirectory._readlink, Rename: RealDirectory._rename,
    Rmdir: RealDirectory._rmdir, Seek: RealDirectory._seek, Stat: RealDirectory._stat,
    Statvfs: RealDirectory._statvfs, Symlink: RealDirectory._symlink, Truncate: RealDirectory._truncate,
    Unlink: RealDirectory._unlink, Utime: RealDirectory._utime, Write: RealDirectory._write,
}  # fmt: skip


@contextmanager
def _no_umask() -> Iterator[None]:
    previous = OS["umask"](0)
    try:
        yield
    finally:
        OS["umask"](previous)


def _kind_of(entry: Any) -> int:
    """The type's bits of a directory entry, mostly without a system call."""
    if entry.is_symlink():
        return S_IFLNK
    if entry.is_dir(follow_symlinks=False):
        return S_IFDIR
    return S_IFREG if entry.is_file(follow_symlinks=False) else S_IFMT(entry.stat(follow_symlinks=False).st_mode)


def _write_zeros(descriptor: int, size: int, offset: int | None) -> int:
    """Write zeros as a hole where the file ends, byte by byte where it has content already."""
    if not size or (offset is not None and offset < 0):
        return int(OS["write"](descriptor, b"")) if offset is None else int(OS["pwrite"](descriptor, b"", offset))
    end_of_file = OS["fstat"](descriptor).st_size
    start = OS["lseek"](descriptor, 0, os.SEEK_CUR) if offset is None else offset
    if KERNEL["fcntl"](descriptor, fcntl.F_GETFL) & os.O_APPEND:
        start = end_of_file
    end = start + size
    # One real write first: it raises what a write raises, and moves the times.
    OS["pwrite"](descriptor, b"\0", start)
    at = start + 1
    while at < min(end, end_of_file):
        at += OS["pwrite"](descriptor, _ZEROS[: min(end, end_of_file) - at], at)
    if end > end_of_file:
        OS["ftruncate"](descriptor, end)
    if offset is None:
        OS["lseek"](descriptor, end, os.SEEK_SET)
    return size
