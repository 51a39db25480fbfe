"""Writing files and directories so that they survive power loss.

Source of the order: a file's data is durable once the file is synced, its name once the directory that holds the name
is synced (fsync(2)), and a rename once the directories are that it changes. Nothing else is promised by all of ext4,
XFS and btrfs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.state import Shard


def sync(path: Path) -> None:
    """Make a file's data, or the names in a directory, durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_directory(path: Path) -> None:
    """Make a directory unless another rank has made it. No test by name, which a cache might answer."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(path)


def make_parents(path: Path, top: Path) -> None:
    """Make the directories that lead from ``top``, which exists, to ``path``."""
    directory = top
    for part in path.relative_to(top).parts[:-1]:
        directory /= part
        make_directory(directory)


def sync_parents(paths: Iterable[Path], top: Path) -> None:
    """Make the names of files below ``top`` durable, and those of the directories that lead to them."""
    directories: set[Path] = set()
    for path in paths:
        directory = path
        while directory != top and directory.parent not in directories:
            directory = directory.parent
            directories.add(directory)
    for directory in sorted(directories, key=lambda directory: (-len(directory.parts), directory)):
        sync(directory)


def save_shards(shards: Iterable[Shard], top: Path, fsync: bool) -> None:
    """Write the shards below ``top``; with ``fsync``, their data and names are durable afterwards."""
    paths = []
    for shard in shards:
        path = top / shard.name
        make_parents(path, top)
        shard.save(path)
        if fsync:
            sync(path)
        paths.append(path)
    if fsync:
        sync_parents(paths, top)


def remove(path: Path) -> None:
    """Delete a directory that nobody reads any more, as far as that is possible.

    What cannot be deleted (NFS keeps a file that is open) must not end a training job: it is garbage, and the next
    save tries again.
    """
    shutil.rmtree(path, ignore_errors=True)
