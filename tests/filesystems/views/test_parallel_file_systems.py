"""Parallel file systems, several devices, disks of nodes, and times that are made up."""

from __future__ import annotations

import fcntl
import os
import stat
from typing import Any

import pytest

from simulator.filesystems.per_node import PerNodeDisks
from simulator.filesystems.profiles import by_profile
from simulator.operations import (
    AccessCheck,
    Close,
    Link,
    Lock,
    Mkdir,
    Open,
    Rename,
    Rmdir,
    Stat,
    Unlink,
    Write,
)
from tests.filesystems.views.machines import CREATE, Machines


def machines(profile: str, **options: Any) -> Machines:
    return Machines(by_profile(profile, options, nodes=2))


@pytest.mark.parametrize("profile", ["meta-stale", "beegfs"])
def test_a_directory_that_another_node_made_may_exist_for_mkdir_and_not_for_stat(profile: str) -> None:
    node = machines(profile)
    node.mkdir(0, "d")
    assert node.do(1, Mkdir("d")) == "EEXIST"
    assert node.may_be(node.exists, 1, "d", stale_name=1) == {True, False}
    assert node.may_be(node.do, 1, AccessCheck("d", os.F_OK), stale_name=1) == {True, False}
    assert node.names(1) == ["d"]
    assert node.do(1, Mkdir("d")) == "EEXIST"
    assert node.may_be(node.exists, 1, "d", stale_name=1) == {True, False}, "nothing makes it fresh but time"
    assert node.may_be(node.exists, 0, "d", stale_name=1) == {True}, "the own node sees what it does"
    node.later(1.1)
    assert node.may_be(node.exists, 1, "d", stale_name=1) == {True}


def test_what_another_node_removed_may_still_be_there_for_stat_and_not_for_open() -> None:
    node = machines("meta-stale", lag=5)
    node.create(0, "f", b"data")
    node.later(6)
    node.do(0, Unlink("f"))
    found = node.do(1, Stat("f"), stale_name=1)
    assert (found.size, stat.S_ISREG(found.mode)) == (4, True)
    assert node.do(1, Open("f", os.O_RDONLY)) == "ENOENT"
    assert not node.offered


def test_appends_of_two_nodes_may_overwrite_each_other_on_beegfs() -> None:
    for global_appends, content in ((False, b"second"), (True, b"firstsecond")):
        node = machines("beegfs", global_appends=global_appends)
        node.create(0, "log")
        opened = [node.do(rank, Open("log", os.O_WRONLY | os.O_APPEND)) for rank in (0, 1)]
        node.do(0, Write(opened[0], b"first"))
        node.do(1, Write(opened[1], b"second"), **({} if global_appends else {"stale_attributes": 1}))
        assert node.content(0, "log") == content


@pytest.mark.parametrize(
    ("profile", "options", "other"),
    [
        ("lustre", {}, "EAGAIN"),
        ("lustre", {"locks": "localflock"}, None),
        ("lustre", {"locks": "noflock"}, "ENOSYS"),
        ("beegfs", {}, None),
        ("beegfs", {"global_locks": True}, "EAGAIN"),
    ],
)
def test_file_locks_are_as_the_mount_has_them(profile: str, options: dict[str, Any], other: str | None) -> None:
    node = machines(profile, **options)
    node.create(0, "f")
    opened = [node.do(rank, Open("f", os.O_RDONLY)) for rank in (0, 1)]
    node.do(0, Lock(opened[0], fcntl.LOCK_EX))
    assert node.do(1, Lock(opened[1], fcntl.LOCK_EX | fcntl.LOCK_NB)) == other


def test_the_time_of_a_directory_may_be_the_present_or_the_oldest_and_that_of_a_file_is_true() -> None:
    node = machines("fuse-mtime")
    node.mkdir(0, "old")
    node.mkdir(0, "new")
    old, new = (node.do(1, Stat(name)).modified for name in ("old", "new"))
    assert old < new
    assert node.do(1, Stat("old"), mtime=1).modified > new
    assert node.do(1, Stat("new"), mtime=2).modified < old
    node.create(0, "f")
    node.do(1, Stat("f"))
    assert not node.offered


def test_nothing_is_renamed_or_linked_from_one_device_to_another() -> None:
    node = machines("cross-device", devices="tmp,scratch")
    node.create(0, "tmp/f")
    node.mkdir(0, "d")
    assert node.do(0, Rename("tmp/f", "d/f")) == "EXDEV"
    assert node.do(0, Rename("d", "scratch/d")) == "EXDEV"
    assert node.do(0, Link("tmp/f", "f")) == "EXDEV"
    assert node.do(0, Rename("tmp/f", "tmp/g")) is None
    assert node.do(0, Rmdir("tmp")) == node.do(0, Rename("tmp", "t")) == "EBUSY"
    devices = [node.do(0, Stat(path)).device for path in ("", "d", "tmp", "tmp/g", "scratch")]
    assert devices == [1, 1, 2, 2, 3]
    directory = node.do(0, Open("tmp", os.O_RDONLY | os.O_DIRECTORY))
    assert node.do(0, Rename("g", "g", directory, None)) == "EXDEV"
    assert node.do(0, Stat(directory)).device == 2


def test_each_node_sees_its_own_disk_and_so_does_a_restart() -> None:
    disks = PerNodeDisks(nodes=2, ranks_per_node=2)
    empty = disks.digest()
    for rank in (0, 1):
        disks.perform(rank, Mkdir(f"d{rank}"), 1)
    assert [sorted(inode.entries) for inode in (disk.tree.root for disk in disks.disks)] == [["d0", "d1"], []]
    assert disks.perform(-2, Stat("d0")).mode  # who judges in place of rank 1
    with pytest.raises(FileNotFoundError):
        disks.perform(2, Stat("d0"))
    with pytest.raises(FileNotFoundError):
        disks.perform(-3, Stat("d0"))
    mark = disks.mark()
    disks.perform(2, Close(disks.perform(2, Open("f", CREATE), 2)))
    assert [path for path, _ in disks.walk_files()] == ["d0", "d1", "f"]
    disks.rollback(mark)
    assert [path for path, _ in disks.walk_files()] == ["d0", "d1"]
    assert disks.digest() != empty
