"""Object stores: what can be done to objects, when they are seen, and what becomes of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from simulator.filesystems import InParts
from simulator.filesystems.profiles import by_profile
from simulator.operations import (
    Close,
    Fsync,
    Link,
    Mkdir,
    Open,
    Read,
    Readlink,
    Rename,
    Rmdir,
    Stat,
    Symlink,
    Truncate,
    Unlink,
    Write,
)
from tests.filesystems.views.machines import CREATE, Machines

ALL = ("object-store", "gcsfuse", "gcsfuse-hns", "mountpoint-s3")


def store(profile: str = "object-store", **options: Any) -> Machines:
    return Machines(by_profile(profile, options, nodes=2))


def in_parts(node: Machines, rank: int, operation: Rename) -> Iterator[list[str]]:
    """Carry an operation out part by part; gives all keys after each."""
    while True:
        node.now += 1_000
        try:
            node.filesystem.perform(rank, operation, node.now)
        except InParts:
            yield keys(node)
        else:
            yield keys(node)
            return


def keys(node: Machines) -> list[str]:
    return [path for path, inode in node.filesystem.walk_files() if not inode.mode & 0o040000]


@pytest.mark.parametrize("profile", ALL)
def test_an_object_is_seen_when_it_is_closed_and_whole(profile: str) -> None:
    node = store(profile)
    writing = node.do(0, Open("f", CREATE))
    node.do(0, Write(writing, b"half"))
    assert not node.exists(1, "f")
    assert keys(node) == []
    node.do(0, Write(writing, b" and half"))
    node.do(0, Close(writing))
    node.later(100)
    assert node.content(1, "f") == b"half and half"


def test_the_old_object_is_there_until_the_new_one_is() -> None:
    node = store()
    node.create(0, "f", b"old")
    writing = node.do(0, Open("f", CREATE | os.O_TRUNC))
    node.do(0, Write(writing, b"new"))
    assert node.content(1, "f") == b"old"
    node.do(0, Close(writing))
    assert node.content(1, "f") == b"new"


def test_what_a_dead_process_wrote_is_dropped_or_published_as_far_as_it_is() -> None:
    for profile, left in (("object-store", []), ("gcsfuse", ["f"])):
        node = store(profile)
        node.do(0, Write(node.do(0, Open("f", CREATE)), b"ha"))
        before = node.filesystem.digest()
        node.filesystem.release(0)
        assert keys(node) == left
        assert (node.filesystem.digest() == before) is (profile == "object-store")


def test_a_sync_completes_an_upload_or_does_nothing() -> None:
    node = store("mountpoint-s3")
    writing = node.do(0, Open("f", CREATE))
    node.do(0, Write(writing, b"data"))
    assert node.do(0, Fsync(writing)) is None
    assert node.content(1, "f") == b"data"
    assert node.do(0, Write(writing, b"more")) == "EIO"
    assert node.do(0, Close(writing)) is None
    node = store("gcsfuse")
    writing = node.do(0, Open("f", CREATE))
    node.do(0, Fsync(writing))
    assert not node.exists(1, "f")


@pytest.mark.parametrize("profile", ["gcsfuse", "gcsfuse-hns"])
def test_gcsfuse_puts_a_file_that_is_written_under_its_key_before_it_renames_it(profile: str) -> None:
    node = store(profile)
    writing = node.do(0, Open("f.tmp", CREATE))
    node.do(0, Write(writing, b"data"))
    assert list(in_parts(node, 0, Rename("f.tmp", "f")))[-1] == ["f"]
    assert not node.exists(0, "f.tmp")
    assert node.do(0, Close(writing)) is None
    assert keys(node) == ["f"]
    assert node.content(1, "f") == b"data"


@pytest.mark.parametrize("profile", ["gcsfuse", "gcsfuse-hns"])
def test_gcsfuse_never_puts_a_file_that_was_removed_before_it_was_closed(profile: str) -> None:
    node = store(profile)
    writing = node.do(0, Open("f", CREATE))
    assert node.do(0, Unlink("f")) is None
    assert node.do(0, Unlink("f")) == "ENOENT"
    assert node.do(0, Write(writing, b"data")) == 4
    assert node.do(0, Close(writing)) is None
    assert keys(node) == []


def test_nothing_can_be_renamed_overwritten_or_deleted_on_mountpoint_s3_as_it_is_mounted_by_default() -> None:
    node = store("mountpoint-s3")
    node.create(0, "f", b"data")
    node.mkdir(0, "d")
    assert node.do(0, Rename("f", "g")) == node.do(0, Rename("d", "e")) == "ENOSYS"
    assert node.do(0, Open("f", CREATE | os.O_TRUNC)) == "EPERM"
    assert node.do(0, Unlink("f")) == "EPERM"
    node = store("mountpoint-s3", overwrite=True, delete=True)
    node.create(0, "f", b"data")
    assert node.do(0, Open("f", os.O_WRONLY)) == node.do(0, Truncate("f", 2)) == "EINVAL", "only as a whole"
    assert isinstance(node.do(0, Open("f", os.O_WRONLY | os.O_TRUNC)), int)
    assert node.do(0, Unlink("f")) is None


def test_a_directory_is_local_until_an_object_is_in_it_and_gone_with_the_last() -> None:
    node = store("mountpoint-s3", delete=True, cache_seconds=0)
    node.mkdir(0, "d")
    assert node.exists(0, "d")
    assert not node.exists(1, "d")
    assert node.names(1) == []
    assert node.do(1, Open("d/f", CREATE)) == "ENOENT"
    node.mkdir(1, "d")
    node.create(1, "d/f")
    assert node.names(0) == ["d"]
    assert node.do(0, Mkdir("d")) == "EEXIST"
    node.do(0, Unlink("d/f"))
    assert not node.exists(0, "d")
    assert not node.exists(1, "d")


def test_a_library_puts_objects_where_no_directory_is() -> None:
    node = store()
    node.create(0, "d/e/f", b"data")
    assert node.content(1, "d/e/f") == b"data"
    node.do(1, Unlink("d/e/f"))
    assert node.names(0) == []


def test_a_restart_does_not_find_directories_without_objects() -> None:
    node = store()
    for path in ("a", "a/b", "c"):
        node.mkdir(0, path)
    node.create(0, "c/f")
    mark = node.filesystem.mark()
    node.filesystem.release_all()
    assert [path for path, _ in node.filesystem.walk_files()] == ["c", "c/f"]
    node.filesystem.rollback(mark)
    assert node.exists(0, "a/b")


def test_with_markers_all_see_an_empty_directory() -> None:
    node = store("gcsfuse")
    node.mkdir(0, "d")
    assert node.exists(1, "d")
    assert node.do(1, Rmdir("d")) is None


def test_a_file_is_copied_and_then_deleted_when_it_is_renamed() -> None:
    node = store()
    node.create(0, "f", b"data")
    assert list(in_parts(node, 0, Rename("f", "g"))) == [["f", "g"], ["g"]]
    assert node.content(1, "g") == b"data"
    assert node.do(0, Rename("missing", "g")) == "ENOENT"


def test_a_directory_is_renamed_object_by_object_where_that_is_allowed() -> None:
    node = store(rename_directory="loop")
    node.mkdir(0, "d")
    node.mkdir(0, "d/e")
    node.create(0, "d/e/f")
    node.create(0, "d/g")
    assert list(in_parts(node, 0, Rename("d", "new"))) == [
        ["d/e/f", "d/g", "new/e/f"], ["d/g", "new/e/f"], ["d/g", "new/e/f", "new/g"], ["new/e/f", "new/g"],
    ]  # fmt: skip
    assert not node.exists(0, "d")
    node.create(0, "other")
    node.mkdir(0, "full")
    node.create(0, "full/f")
    assert node.do(0, Rename("new", "full")) == "ENOTEMPTY"
    assert node.do(0, Rename("new", "other")) == "ENOTDIR"


@pytest.mark.parametrize(
    ("profile", "said"), [("object-store", "ENOSYS"), ("gcsfuse", "EMFILE"), ("gcsfuse-hns", None)]
)
def test_whether_a_directory_can_be_renamed_depends_on_the_store(profile: str, said: str | None) -> None:
    node = store(profile)
    node.mkdir(0, "d")
    node.create(0, "d/f")
    assert node.do(0, Rename("d", "e")) == said
    assert keys(node) == (["d/f"] if said else ["e/f"])


def test_of_two_that_replace_an_object_the_later_one_wins_or_has_a_stale_handle() -> None:
    stale = ("ESTALE", b"first")
    for profile, (said, left) in {"object-store": (None, b"second"), "gcsfuse": stale, "gcsfuse-hns": stale}.items():
        node = store(profile)
        writing = [node.do(rank, Open("f", CREATE)) for rank in (0, 1)]
        node.do(0, Write(writing[0], b"first"))
        node.do(1, Write(writing[1], b"second"))
        assert node.do(0, Close(writing[0])) is None
        assert node.do(1, Close(writing[1])) == said
        node.later(100)
        assert node.content(0, "f") == left


@pytest.mark.parametrize("profile", ["gcsfuse", "gcsfuse-hns"])
def test_gcsfuse_does_not_write_over_what_another_node_has_changed_since(profile: str) -> None:
    for change in (Unlink("f"), None):
        node = store(profile)
        node.create(0, "f")
        writing = node.do(0, Open("f", os.O_WRONLY | os.O_TRUNC))
        node.do(0, Write(writing, b"mine"))
        if change is None:
            node.create(1, "f")
        else:
            assert node.do(1, change) is None
        assert node.do(0, Close(writing)) == "ESTALE"


def test_processes_of_one_gcsfuse_mount_write_over_each_others_files() -> None:
    node = Machines(by_profile("gcsfuse", {}, nodes=1, ranks_per_node=2))
    node.create(0, "f")
    writing = [node.do(rank, Open("f", os.O_WRONLY | os.O_TRUNC)) for rank in (0, 1)]
    for rank in (0, 1):
        node.do(rank, Write(writing[rank], b"of %d" % rank))
        assert node.do(rank, Close(writing[rank])) is None
    assert node.content(0, "f") == b"of 1"


@pytest.mark.parametrize("profile", ALL)
def test_there_are_no_hard_links(profile: str) -> None:
    node = store(profile)
    node.create(0, "f")
    assert node.do(0, Link("f", "g")) == "EPERM"


@pytest.mark.parametrize("profile", ["object-store", "mountpoint-s3"])
def test_without_metadata_there_are_no_symbolic_links(profile: str) -> None:
    assert store(profile).do(0, Symlink("f", "g")) == "EPERM"


@pytest.mark.parametrize("profile", ["gcsfuse", "gcsfuse-hns"])
def test_a_symbolic_link_on_gcsfuse_leads_every_node_to_its_target(profile: str) -> None:
    node = store(profile)
    node.mkdir(0, "one")
    node.create(0, "one/f", b"1")
    assert node.do(0, Symlink("one", "latest")) is None
    assert node.do(1, Readlink("latest")) == "one"
    assert node.do(1, Symlink("two", "latest")) == "EEXIST"
    assert node.content(1, "latest/f") == b"1"
    assert node.do(1, Stat("latest", follow=False)).mode & 0o170000 == 0o120000
    assert node.do(1, Stat("latest")).mode & 0o170000 == 0o040000
    assert node.do(0, Symlink("two", "new")) is None
    list(in_parts(node, 0, Rename("new", "latest")))
    assert node.do(1, Readlink("latest")) == "two"
    assert node.do(0, Unlink("latest")) is None
    assert node.content(1, "one/f") == b"1"


def test_an_object_that_is_written_through_a_symbolic_link_is_put_under_its_own_key() -> None:
    node = store("gcsfuse")
    for link, target in (("there", "f"), ("dangling", "g")):
        node.do(0, Symlink(target, link))
    node.create(0, "f", b"old")
    for name in ("there", "dangling"):
        writing = node.do(0, Open(name, CREATE | os.O_TRUNC))
        node.do(0, Write(writing, b"new"))
        assert node.do(0, Close(writing)) is None
    assert keys(node) == ["dangling", "f", "g", "there"]
    assert (node.content(1, "f"), node.content(1, "g")) == (b"new", b"new")
    assert node.do(0, Open("there", CREATE | os.O_EXCL)) == "EEXIST"
    assert node.do(0, Open("there", os.O_WRONLY | os.O_NOFOLLOW)) == "ELOOP"


def test_a_node_knows_what_it_did_itself_behind_a_symbolic_link() -> None:
    node = store("gcsfuse")
    node.mkdir(0, "one")
    node.do(0, Symlink("one", "latest"))
    assert not node.exists(0, "latest/f")
    node.create(0, "one/f")
    assert node.exists(0, "latest/f", stale_name=1)
    node.do(0, Unlink("latest/f"))
    assert not node.exists(0, "one/f", stale_name=1)
    node.create(1, "one/f")
    assert node.may_be(node.exists, 0, "latest/f", stale_name=1) == {True, False}
    assert node.do(0, Stat("latest", follow=False), stale_name=1).mode & 0o170000 == 0o120000


def test_gcsfuse_remembers_what_it_found_and_what_it_did_not_for_a_minute() -> None:
    node = store("gcsfuse")
    node.create(0, "old", b"1")
    assert not node.exists(1, "new")
    assert node.exists(1, "old")
    node.create(0, "new")
    node.do(0, Unlink("old"))
    assert node.may_be(node.exists, 1, "new", stale_name=1) == {True, False}
    assert node.may_be(node.exists, 1, "old", stale_name=1) == {True, False}
    assert node.do(1, Open("new", os.O_RDONLY), stale_name=1) == "ENOENT"
    assert node.names(1) == ["new"], "a listing is what there is"
    node.later(61)
    assert node.exists(1, "new", stale_name=1)


def test_mountpoint_s3_remembers_no_absence_and_a_node_knows_what_it_did_itself() -> None:
    node = store("mountpoint-s3", delete=True)
    assert not node.exists(1, "f")
    node.create(0, "f", b"1")
    assert node.exists(1, "f", stale_name=1)
    assert not node.offered
    node.do(0, Unlink("f"))
    assert node.may_be(node.exists, 1, "f", stale_name=1) == {True, False}
    assert node.may_be(node.exists, 0, "f", stale_name=1) == {False}


def test_what_a_node_writes_it_finds_by_name_before_it_is_closed() -> None:
    node = store()
    writing = node.do(0, Open("f", CREATE))
    node.do(0, Write(writing, b"data"))
    assert node.do(0, Stat("f")).size == 4
    assert node.do(0, Open("f", os.O_RDONLY)) == "ENOENT"
    assert node.do(0, Read(writing, 10)) == "EBADF"


def test_everything_is_undone() -> None:
    node = store("gcsfuse")
    node.create(0, "f", b"old")
    node.mkdir(0, "d")
    expected = (node.filesystem.digest(), keys(node), node.names(0))
    mark = node.filesystem.mark()
    writing = node.do(0, Open("f", os.O_RDWR))
    node.do(0, Write(writing, b"new"))
    node.do(0, Close(writing))
    node.create(1, "d/g")
    node.do(1, Unlink("f"))
    node.filesystem.rollback(mark)
    assert (node.filesystem.digest(), keys(node), node.names(0)) == expected
    assert node.content(0, "f") == b"old"
