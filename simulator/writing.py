"""What this program leaves: files that are whole or absent, whenever it is killed, and text that is only shown."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from pathlib import Path

from simulator.errors import UsageError


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name beside it and rename it, with the mode that ``open`` would have given.

    A symbolic link stays one, and what is there but is no regular file (a device, a pipe) is written to as it is: a
    rename would put a file in its place. Directories above are made. Raises UsageError, naming the path, where any of
    that is not possible.
    """
    try:
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            path.write_bytes(data)
            return
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".ckptrace-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
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


def _umask() -> int:
    """There is no way to look at it but to change it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
