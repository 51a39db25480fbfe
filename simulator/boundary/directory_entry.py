"""What scandir gives for each name: like ``os.DirEntry``, which cannot be made; it passes for one in ``isinstance``."""

from __future__ import annotations

import os
import stat as modes
from collections.abc import Callable
from typing import NoReturn

from simulator.boundary.caller import Caller
from simulator.boundary.stat_result import StatResult
from simulator.operations import Stat


class DirectoryEntry:
    """One entry of a scan. Asks the file system only for what the scan did not bring, as ``os.DirEntry`` does."""

    __slots__ = ("_caller", "_inode", "_kind", "_lstat", "_place", "_stat", "name", "path")

    def __init__(
        self,
        name: str | bytes,
        path: str | bytes,
        kind: int,
        inode: int,
        place: tuple[str, int | None],
        caller: Caller,
    ) -> None:
        self.name = name
        self.path = path
        self._kind = kind
        self._inode = inode
        self._place = place
        self._caller = caller
        self._stat: StatResult | None = None
        self._lstat: StatResult | None = None

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return os.DirEntry

    def __fspath__(self) -> str | bytes:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle 'posix.DirEntry' object")

    def inode(self) -> int:
        """The inode number that the scan gave."""
        return self._inode

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether the entry is a directory, or with ``follow_symlinks`` a link to one."""
        return self._is(modes.S_ISDIR, follow_symlinks)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Whether the entry is a regular file, or with ``follow_symlinks`` a link to one."""
        return self._is(modes.S_ISREG, follow_symlinks)

    def is_symlink(self) -> bool:
        """Whether the entry is a symbolic link."""
        return modes.S_ISLNK(self._kind)

    def is_junction(self) -> bool:
        """False: junctions exist on Windows only."""
        return False

    def stat(self, *, follow_symlinks: bool = True) -> StatResult:
        """A stat of the entry, kept. Raises OSError with the entry's path."""
        kept = self._stat if follow_symlinks else self._lstat
        if kept is not None:
            return kept
        if follow_symlinks and not modes.S_ISLNK(self._kind):
            found = self._stat = self.stat(follow_symlinks=False)
            return found
        path, at = self._place
        try:
            attributes = self._caller.perform(Stat(path, follow_symlinks, at))
        except OSError as error:
            error.filename = self.path
            raise
        found = StatResult(attributes, self._caller)
        if follow_symlinks:
            self._stat = found
        else:
            self._lstat = found
        return found

    def _is(self, test: Callable[[int], bool], follow_symlinks: bool) -> bool:
        if not follow_symlinks or not modes.S_ISLNK(self._kind):
            return test(self._kind)
        try:
            return test(self.stat().st_mode)
        except FileNotFoundError:
            return False
