"""A real directory mounted a second time by FUSE, with caches of the kernel in between. Run as a program.

``passing_on.py DIRECTORY MOUNT_POINT SECONDS``: names, absent names and attributes are trusted for so long.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import mfusepy


class PassingOn(mfusepy.Operations):
    """Every operation on the mount is done in the directory."""

    use_ns = True

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def _at(self, path: str) -> str:
        return self._directory + path

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        found = os.lstat(self._at(path))
        told = {key: getattr(found, key) for key in ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid")}
        return told | {f"st_{kind}time": getattr(found, f"st_{kind}time_ns") for kind in "amc"}

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *os.listdir(self._at(path))]

    def mkdir(self, path: str, mode: int) -> int:
        os.mkdir(self._at(path), mode)
        return 0

    def rmdir(self, path: str) -> int:
        os.rmdir(self._at(path))
        return 0

    def unlink(self, path: str) -> int:
        os.unlink(self._at(path))
        return 0

    def rename(self, old: str, new: str) -> int:
        os.rename(self._at(old), self._at(new))
        return 0

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        return os.open(self._at(path), os.O_CREAT | os.O_RDWR, mode)

    def open(self, path: str, flags: int) -> int:
        return os.open(self._at(path), flags)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        os.truncate(self._at(path), length)
        return 0

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0


if __name__ == "__main__":
    directory, mount_point, seconds = sys.argv[1:]
    mfusepy.FUSE(
        PassingOn(directory), mount_point, foreground=True, nothreads=True, entry_timeout=float(seconds),
        negative_timeout=float(seconds), attr_timeout=float(seconds),
    )  # fmt: skip
