"""Which times an operation moves: the model as the kernel, on tmpfs and on the checkout's disk."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from simulator.filesystems import FIRST_DESCRIPTOR, Filesystem, PosixModel, RealDirectory
from simulator.operations import (
    AccessCheck,
    Chmod,
    Chown,
    Close,
    Extent,
    Fsync,
    Link,
    Mkdir,
    Open,
    Operation,
    Read,
    Readdir,
    Rename,
    Rmdir,
    Stat,
    Symlink,
    Truncate,
    Unlink,
    Utime,
    Write,
)
from tests.filesystems.outcomes import outcome

FD = FIRST_DESCRIPTOR
PATHS = ("", "d", "d/sub", "e", "f", "h", "l", "new", "e/sub", "e/f")
READY = (
    Mkdir("d"), Mkdir("d/sub"), Mkdir("e"), Open("f", os.O_CREAT | os.O_RDWR), Write(FD, b"0123456789"), Link("f", "h"),
    Symlink("f", "l"), Open("d/sub", os.O_RDONLY),
)  # fmt: skip
# A truncate(2) to the same size is not among them: what it does to the times is not promised.
PROBES: tuple[Operation, ...] = (
    Mkdir("new"), Mkdir("d"), Rmdir("d/sub"), Rmdir("d"), Unlink("f"), Unlink("h"), Unlink("l"), Unlink("missing"),
    Rename("f", "new"), Rename("f", "h"), Rename("f", "e/f"), Rename("d/sub", "e/sub"), Rename("d/sub", "e"),
    Rename("l", "h"), Rename("f", "d"), Link("f", "e/f"), Link("f", "h"), Symlink("f", "new"),
    Open("new", os.O_CREAT | os.O_WRONLY), Open("f", os.O_CREAT | os.O_WRONLY), Open("f", os.O_WRONLY | os.O_TRUNC),
    Open("f", os.O_RDONLY), Write(FD, b"x"), Write(FD, b""), Write(FD, b"x", 100), Write(FD, Extent(50)), Read(FD, 5),
    Truncate("f", 3), Truncate("f", 30), Truncate(FD, 10), Truncate(FD, 3), Chmod("f", 0o600),
    Chmod("d", 0o755), Chmod(FD, 0o600), Chown("f", -1, -1), Chown("l", -1, -1, follow=False), Utime("f"),
    Utime("f", (10**9, 2 * 10**9)), Utime("d", (10**9, 2 * 10**9)), Stat("f"), AccessCheck("f", os.R_OK), Readdir("d"),
    Close(FD), Fsync(FD), Mkdir("n", at=FD + 1),
)  # fmt: skip


def times(filesystem: Filesystem, inodes: dict[str, int]) -> dict[str, tuple[int, int]]:
    """The times of what was called so at the start, by whatever name it has now."""
    found = {}
    for path in PATHS:
        attributes = outcome(filesystem, 1, Stat(path, follow=False), 0)
        for name, inode in inodes.items():
            if getattr(attributes, "inode", None) == inode:
                found[name] = (attributes.modified, attributes.changed)
    return found


def moved(filesystem: Filesystem, operation: Operation, now: int) -> dict[str, tuple[bool, bool]]:
    """For each thing that is left, whether its modification and its change time have moved."""
    for step, ready in enumerate(READY):
        outcome(filesystem, 0, ready, step + 1)
    inodes = {}
    for path in PATHS:
        attributes = outcome(filesystem, 1, Stat(path, follow=False), 0)
        if hasattr(attributes, "inode"):
            inodes[path] = attributes.inode
    before = times(filesystem, inodes)
    outcome(filesystem, 0, operation, now)
    after = times(filesystem, inodes)
    return {
        name: (after[name][0] != before[name][0], after[name][1] != before[name][1])
        for name in sorted(before.keys() & after.keys())
    }


@pytest.fixture(params=PROBES, ids=repr)
def probe(request: pytest.FixtureRequest) -> Operation:
    operation: Operation = request.param
    return operation


def test_the_model_moves_the_times_that_the_kernel_moves(real_directory: Path, probe: Operation) -> None:
    real = RealDirectory(real_directory, ticking=True)
    expected = moved(real, probe, 0)
    real.close()
    assert moved(PosixModel(), probe, 100) == expected


def test_a_time_that_is_set_is_the_time_that_is_told(real_directory: Path) -> None:
    real, model = RealDirectory(real_directory), PosixModel()
    for filesystem in (real, model):
        filesystem.perform(0, Mkdir("d"), 5)
        filesystem.perform(0, Utime("d", (1_000_000_007, 2_000_000_009)), 6)
        found = filesystem.perform(0, Stat("d"))
        assert (found.accessed, found.modified) == (1_000_000_007, 2_000_000_009)
    real.close()


def test_a_ticking_directory_gives_every_change_a_later_time(real_directory: Path) -> None:
    real = RealDirectory(real_directory, ticking=True)
    for number in range(8):
        real.perform(0, Mkdir(str(number)))
    stamps = [real.perform(0, Stat(str(number))).modified for number in range(8)]
    real.close()
    assert all(earlier < later for earlier, later in pairwise(stamps))
