"""The directory that a program saves to: one run at a time, empty at the start of each schedule, empty in the end.

A lock, ``flock`` on a file in the directory for temporary files, holds others off; it ends with the last process of the
run, whatever ends that. The file's modification time is set about once a second (``guardian``). If a run is killed with
all its processes, what is in the directory is recognised by that: nothing there has changed later than the file.
"""

from __future__ import annotations

import fcntl
import os
import select
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from simulator.engines.command import guardian
from simulator.errors import CannotDo, UsageError

_CLEANING = 15.0
"""Seconds in which the processes of a run whose supervisor was killed must have ended and cleaned."""
_SLACK = 2 * guardian.HEARTBEAT


class _Holder(msgspec.Struct, frozen=True):
    """What the file of a lock says: who holds it, or has been killed with it."""

    process: int
    directory: str


class WatchedDirectory:
    """A directory of one's own until ``close``; it is made if it is not there.

    Raises UsageError where it is not empty, where another run is at work in it, and where it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        check_empty(path, left_by_a_run=True)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--watch {path}: cannot be made: {error.strerror}") from error
        self._file, self.lock = _locked(path)
        try:
            self._take_over()
            check_empty(path)
            holder = _Holder(os.getpid(), os.path.realpath(path))
            os.ftruncate(self.lock, 0)
            os.pwrite(self.lock, msgspec.json.encode(msgspec.to_builtins(holder)), 0)
        except BaseException:
            self.release()
            raise

    def empty(self) -> None:
        """Delete everything in it, so that the next schedule begins with nothing. Raises CannotDo, naming the path."""
        try:
            guardian.empty(str(self.path))
        except OSError as error:
            raise CannotDo(f"{error.filename}: cannot be deleted: {error.strerror}") from error

    def release(self) -> None:
        """Give up the lock, unless the processes that were started have done so with the last of them."""
        if self.lock < 0:
            return
        if _is_at(self.lock, self._file):
            with suppress(FileNotFoundError):
                os.unlink(self._file)
        os.close(self.lock)
        self.lock = -1

    def _take_over(self) -> None:
        """If a killed run has left what is there, delete it."""
        left = _read(self.lock)
        if left is None or left.directory != os.path.realpath(self.path):
            return
        if _latest_change(self.path) <= os.fstat(self.lock).st_mtime + _SLACK:
            self.empty()


def check_empty(directory: Path, *, left_by_a_run: bool = False) -> None:
    """Raise UsageError for a directory that is not empty; it may be absent.

    With ``left_by_a_run`` one that a run is at work in, or has left, may have something in it.
    """
    try:
        if not directory.exists() or not any(directory.iterdir()):
            return
        if left_by_a_run and _lock_file(directory).exists():
            return
    except OSError as error:
        raise UsageError(f"{directory}: {error.strerror}") from error
    raise UsageError(
        f"{directory}: is not empty; each schedule begins with an empty directory, so everything in it would "
        "be deleted: name another one, or empty it"
    )


def _locked(directory: Path) -> tuple[Path, int]:
    """The file of the lock, and the descriptor that holds it."""
    file = _lock_file(directory)
    deadline = time.monotonic() + _CLEANING
    while True:
        try:
            lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise UsageError(f"{file}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read(lock)
            os.close(lock)
            if holder is not None and not _is_alive(holder.process) and time.monotonic() < deadline:
                time.sleep(0.02)  # What it has started is being ended, and the directory cleaned.
                continue
            who = "" if holder is None else f" (process {holder.process})"
            raise UsageError(
                f"{directory}: another ckptrace run{who} is at work in it: name another one, or wait for its end"
            ) from None
        if _is_at(lock, file):
            return file, lock
        os.close(lock)  # It was let go of, and deleted, meanwhile.


def _lock_file(directory: Path) -> Path:
    """Named for the directory itself, since that may have several names; in a directory of this user's own."""
    place = Path(tempfile.gettempdir()) / f"ckptrace-{os.getuid()}"
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        found = place.lstat()
    except OSError as error:
        raise UsageError(f"{place}: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise UsageError(f"{place}: is not a directory of this user's; locks would lie there (TMPDIR names another)")
    known = directory.stat()
    return place / f"run-{known.st_dev:x}-{known.st_ino:x}.lock"


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _read(lock: int) -> _Holder | None:
    try:
        return msgspec.json.decode(os.pread(lock, 1 << 16, 0), type=_Holder)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _is_alive(process: int) -> bool:
    """Whether a process has not ended; one that its parent has not asked for yet has."""
    try:
        descriptor = os.pidfd_open(process)
    except OSError:
        return False
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return not poll.poll(0)
    finally:
        os.close(descriptor)


def _latest_change(directory: Path) -> float:
    """When anything below a directory was changed last: by the time that no call can set."""
    latest = 0.0
    waiting = [directory]
    for each in waiting:
        latest = max(latest, each.lstat().st_ctime)
        with os.scandir(each) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                else:
                    latest = max(latest, entry.stat(follow_symlinks=False).st_ctime)
    return latest
