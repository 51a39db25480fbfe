"""A real directory as a judgement sees it: looked at through a copy, so that looking leaves no mark."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from simulator.filesystems.real import RealDirectory, scratch_beside
from simulator.operations import Operation


class Snapshots:
    """A ``Filesystem`` that can be put back: ``mark`` copies the directory, ``perform`` acts on the latest copy.

    Copies are made in the directory ``beside``, on the same file system. Where nothing is marked, nothing can be
    performed.
    """

    def __init__(self, directory: Path, beside: Path, ranks_per_node: int = 1) -> None:
        self._directory = directory
        self._beside = beside
        self._ranks_per_node = ranks_per_node
        self._views: list[RealDirectory] = []
        self._numbers = count()

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``."""
        return self._views[-1].perform(rank, operation, now)

    def release(self, rank: int) -> None:
        """See ``Filesystem.release``."""
        for view in self._views:
            view.release(rank)

    def lose_scratch(self, node: int) -> None:
        """See ``Filesystem.lose_scratch``."""
        lost = scratch_beside(self._directory, node)
        if lost.exists():
            remove_tree(lost)

    def mark(self) -> int:
        """Copy the directory and the scratch of each node, or the latest copies, as they are now."""
        depth = len(self._views)
        source, copy = self._copy(depth - 1) if depth else self._directory, self._copy(depth)
        copy_tree(source, copy)
        if scratch_beside(source).exists():
            copy_tree(scratch_beside(source), scratch_beside(copy))
        self._views.append(RealDirectory(copy, ranks_per_node=self._ranks_per_node))
        return depth

    def rollback(self, mark: int) -> None:
        """Forget the copy that was made for the mark, later ones, and what has been done to them."""
        while len(self._views) > mark:
            self._views.pop().close()
            copy = self._copy(len(self._views))
            remove_tree(copy)
            if scratch_beside(copy).exists():
                remove_tree(scratch_beside(copy))

    def digest(self) -> int:
        """A number that never comes again: whether the directory has changed is not known."""
        return next(self._numbers)

    def mtime_order(self) -> int:
        """As ``digest``."""
        return next(self._numbers)

    def _copy(self, depth: int) -> Path:
        return self._beside / f"copy{depth}"

    def walk_files(self) -> Iterator[tuple[str, int]]:
        """Every regular file: its path relative to the directory, and its size."""
        for parent, _, names in os.walk(self._directory):
            for name in names:
                path = Path(parent, name)
                status = path.lstat()
                if stat.S_ISREG(status.st_mode):
                    yield path.relative_to(self._directory).as_posix(), status.st_size


def copy_tree(source: Path, target: Path) -> None:
    """Copy a directory with its links, hard and symbolic, holes, modes, and modification times to the nanosecond."""
    known: dict[tuple[int, int], str] = {}

    def copy(original: str, copied: str) -> str:
        status = os.stat(original, follow_symlinks=False)
        first = known.setdefault((status.st_dev, status.st_ino), copied)
        if first != copied:
            os.link(first, copied, follow_symlinks=False)
        elif stat.S_ISREG(status.st_mode) and status.st_blocks * 512 < status.st_size:
            _copy_sparse(original, copied, status.st_size)
        else:
            shutil.copy2(original, copied, follow_symlinks=False)
        return copied

    shutil.copytree(source, target, symlinks=True, copy_function=copy)


def remove_tree(directory: Path) -> None:
    """Remove a directory of which code under test may have taken the permissions away."""
    for parent, names, _ in os.walk(directory):
        for name in names:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                os.chmod(path, 0o700)
    shutil.rmtree(directory)


def _copy_sparse(original: str, copied: str, size: int) -> None:
    with open(original, "rb", buffering=0) as source, open(copied, "wb", buffering=0) as target:
        target.truncate(size)
        position = 0
        while True:
            try:
                position = os.lseek(source.fileno(), position, os.SEEK_DATA)
            except OSError:
                break  # ENXIO: nothing but a hole is left.
            end = os.lseek(source.fileno(), position, os.SEEK_HOLE)
            while position < end:
                data = os.pread(source.fileno(), min(end - position, 1 << 20), position)
                position += os.pwrite(target.fileno(), data, position)
    shutil.copystat(original, copied)
