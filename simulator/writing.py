"""What this program leaves: files that are whole or absent, whenever it is killed, and text that is only shown.

A file is written without a name (O_TMPFILE, open(2)) and gets its name when it is whole, so that a killed process
leaves nothing else either. Where a file system has no such files, it is written under a hidden name beside its own.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from simulator.errors import UsageError

_HIDDEN = ".ckptrace-"
_UNABLE = frozenset(
    {errno.EOPNOTSUPP, errno.EPERM, errno.EINVAL, errno.EISDIR, errno.ENOENT, errno.EXDEV, errno.EMLINK}
)
"""What linkat(2) and open(2) say where a file system, or the lack of /proc, does not allow what is done here."""


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that takes the place of what has its name, with the mode that ``open`` would have given.

    A symbolic link stays one, and what is there but is no regular file (a device, a pipe) is written to as it is: a
    rename would put a file in its place. Directories above are made. Raises UsageError, naming the path, where any of
    that is not possible.
    """
    with _named(path):
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            path.write_bytes(data)
        elif not _linked(path, data):
            _renamed(path, data)


def write_new(path: Path, data: bytes) -> bool:
    """The same for a name that nobody has; gives False, and leaves what is there, where somebody has."""
    with _named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(path):
            return False
        if _linked(path, data, new=True):
            return True
        with suppress(FileExistsError):
            # Held by an empty file until it is whole: no file of that kind could be made that has no name.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            try:
                _renamed(path, data)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
            return True
        return False


def try_to_write(directory: Path) -> None:
    """Raise UsageError, naming the directory, where no file can be made in it."""
    with _named(directory):
        try:
            os.close(os.open(directory, os.O_TMPFILE | os.O_WRONLY, 0o600))
        except OSError as error:
            if error.errno not in _UNABLE:
                raise
            handle, name = tempfile.mkstemp(dir=directory, prefix=_HIDDEN)
            os.close(handle)
            os.unlink(name)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def visible(text: str) -> str:
    """The text with everything escaped that a terminal would act on instead of showing it, but for line breaks.

    These are the control characters of ISO 6429 (ESC begins most of what terminals obey), marks that turn the direction
    of text (Unicode TR 36, section 3), and lone surrogates, which no encoding holds.
    """
    return text if text.isascii() and text.isprintable() else _UNSEEN.sub(_escape, text)


_UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def _escape(found: re.Match[str]) -> str:
    number = ord(found.group())
    if number == 9:
        return " "
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def _linked(path: Path, data: bytes, *, new: bool = False) -> bool:
    """Write a file that has no name, then give it one; gives False where that is not possible there.

    Raises FileExistsError where the name must be ``new`` and is not.
    """
    try:
        handle = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except OSError as error:
        if error.errno in _UNABLE:
            return False
        raise
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        try:
            try:
                _link(handle, path)
            except FileExistsError:
                if new:
                    raise
                hidden = path.parent / f"{_HIDDEN}{secrets.token_hex(8)}"
                _link(handle, hidden)
                try:
                    os.replace(hidden, path)
                except BaseException:
                    os.unlink(hidden)
                    raise
        except FileExistsError:
            raise
        except OSError as error:
            if error.errno in _UNABLE and not path.is_dir():
                return False
            raise
    return True


def _link(handle: int, path: Path) -> None:
    # With a directory's descriptor, which an absolute path makes no use of, Python calls linkat(2) and so follows.
    os.link(f"/proc/self/fd/{handle}", path, src_dir_fd=handle, follow_symlinks=True)


def _renamed(path: Path, data: bytes) -> None:
    """Write a file under a hidden name and rename it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_HIDDEN)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    """There is no way to look at it but to change it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
