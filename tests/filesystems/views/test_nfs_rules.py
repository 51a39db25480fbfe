"""The rules of NFS, one by one, between two nodes: rank 0 on the one, rank 1 on the other.

They are those of nfs(5), open(2), rename(2), flock(2) and of the Linux client's sources, as the modules of
``filesystems/views/nfs`` cite them.
"""

from __future__ import annotations

import fcntl
import os
from typing import Any

import pytest

from simulator.operations import (
    Close,
    Fsync,
    Link,
    Lock,
    Mkdir,
    Open,
    Read,
    Rename,
    Rmdir,
    Stat,
    Symlink,
    Unlink,
    Write,
)
from tests.filesystems.views.machines import CREATE, Machines, nfs

STALE = {"stale_name": 1}


def machines(**options: Any) -> Machines:
    return Machines(nfs(**options))


def is_fresh(node: Machines, rank: int, path: str, kind: str = "stale") -> bool:
    """Whether nothing but the fresh answer is allowed, as far as that is a choice of this kind."""
    mark = node.filesystem.mark()
    node.do(rank, Stat(path))
    node.filesystem.rollback(mark)
    return not any(offered.startswith(kind) for offered in node.offered)


def test_n1_attributes_are_trusted_for_a_time_that_doubles_until_they_change() -> None:
    node = machines()
    node.create(0, "f", b"1")

    def trusted_for(seconds: float) -> bool:
        """Whether attributes that were just fetched may be old after so many seconds."""
        node.do(1, Stat("f"))
        mark = node.filesystem.mark()
        descriptor = node.do(0, Open("f", os.O_WRONLY | os.O_APPEND))
        node.do(0, Write(descriptor, b"more"))
        node.do(0, Close(descriptor))
        node.later(seconds)
        size = node.do(1, Stat("f"), stale_attributes=1).size
        node.filesystem.rollback(mark)
        return bool(size == 1)

    assert trusted_for(2.9)
    assert not trusted_for(3.1)
    for least, most in ((3, 6), (6, 12), (12, 24), (24, 48), (48, 60), (60, 60)):
        node.later(least)  # It asks again and finds no change.
        assert trusted_for(most - 0.1)
        assert not trusted_for(most + 0.1)
    node.later(60)
    node.create(0, "f", b"changed")
    node.do(1, Stat("f"))
    assert not trusted_for(3.1)


def test_n1_of_directories_the_time_is_thirty_seconds_at_first() -> None:
    node = machines()
    node.mkdir(0, "d")
    node.do(1, Stat("d"))
    node.create(0, "d/f")
    node.later(29.9)
    assert not is_fresh(node, 1, "d")
    node.later(0.2)
    assert is_fresh(node, 1, "d")


@pytest.mark.parametrize("options", [{"noac": True}, {"actimeo": 0}])
def test_n1_without_attribute_caching_every_answer_is_fresh(options: dict[str, object]) -> None:
    node = machines(**options)
    assert not node.exists(1, "f")
    node.create(0, "f", b"1")
    assert is_fresh(node, 1, "f")
    node.create(0, "f", b"longer")
    assert is_fresh(node, 1, "f")


def test_n2_names_are_trusted_while_the_attributes_of_their_directory_are() -> None:
    node = machines()
    node.create(0, "old")
    assert node.exists(1, "old")
    assert not node.exists(1, "new")
    node.do(0, Rename("old", "new"))
    assert node.may_be(node.exists, 1, "old", **STALE) == {True, False}
    assert node.may_be(node.exists, 1, "new", **STALE) == {True, False}
    node.later(30.1)
    assert is_fresh(node, 1, "old")
    assert is_fresh(node, 1, "new")


def test_n2_names_are_trusted_no_more_once_the_directory_is_seen_to_have_changed() -> None:
    node = machines()
    assert not node.exists(1, "new")
    node.create(0, "new")
    assert not is_fresh(node, 1, "new")
    node.create(1, "another")  # The reply tells that somebody else has changed the directory.
    assert is_fresh(node, 1, "new")


def test_n2_with_version_3_a_lookup_of_another_name_shows_that_too() -> None:
    for version, fresh in ((3, True), (4, False)):
        node = machines(vers=version)
        assert not node.exists(1, "new")
        node.create(0, "new")
        node.exists(1, "something else")
        assert is_fresh(node, 1, "new") is fresh


def test_n2_lookupcache_says_which_names_are_trusted() -> None:
    for which, positive, negative in (("all", True, True), ("pos", True, False), ("none", False, False)):
        node = machines(lookupcache=which)
        node.create(0, "old")
        node.exists(1, "old")
        node.exists(1, "new")
        node.do(0, Rename("old", "new"))
        assert (not is_fresh(node, 1, "old", "stale-name")) is positive
        assert (not is_fresh(node, 1, "new", "stale-name")) is negative


@pytest.mark.parametrize(
    "operation",
    [Stat("x"), Open("x", os.O_RDONLY), Rename("x", "y"), Unlink("x"), Stat("d/f"), Mkdir("d/e"), Link("x", "y")],
    ids=str,
)
def test_n3_what_was_looked_up_before_it_existed_may_not_be_there(operation: object) -> None:
    node = machines()
    assert not node.exists(1, "x")
    assert not node.exists(1, "d")
    node.create(0, "x")
    node.mkdir(0, "d")
    node.create(0, "d/f")
    node.later(29)
    mark = node.filesystem.mark()
    assert node.do(1, operation, stale_name=1) == "ENOENT"  # type: ignore[arg-type]
    node.filesystem.rollback(mark)
    assert node.do(1, operation) != "ENOENT"  # type: ignore[arg-type]


def test_n3_a_stale_answer_comes_without_a_request_and_changes_nothing() -> None:
    node = machines()
    node.exists(1, "x")
    node.create(0, "x")
    before = node.filesystem.digest()
    for _ in range(3):
        assert node.do(1, Rename("x", "y"), stale_name=1) == "ENOENT"
    assert node.filesystem.digest() == before


def test_n4_opening_a_directory_makes_its_names_fresh() -> None:
    node = machines()
    assert not node.exists(1, "d")
    node.mkdir(0, "d")
    node.mkdir(0, "d/e")
    assert not is_fresh(node, 1, "d")
    assert node.names(1) == ["d"]
    assert is_fresh(node, 1, "d")


def test_n4_but_not_with_nocto() -> None:
    node = machines(nocto=True)
    assert node.names(1) == []
    assert not node.exists(1, "d")
    node.mkdir(0, "d")
    assert node.names(1, stale_listing=1) == []
    assert not is_fresh(node, 1, "d")


def test_n5_about_mkdir_o_excl_and_the_target_of_a_rename_the_server_decides() -> None:
    node = machines()
    for name in ("d", "f", "t"):
        assert not node.exists(1, name)
    node.mkdir(0, "d")
    node.create(0, "f")
    node.mkdir(0, "t")
    node.mkdir(0, "t/full")
    node.mkdir(1, "own")
    assert node.do(1, Mkdir("d"), **STALE) == "EEXIST"
    assert node.do(1, Open("f", CREATE | os.O_EXCL), **STALE) == "EEXIST"
    assert node.do(1, Symlink("text", "f"), **STALE) == "EEXIST"
    assert node.do(1, Rename("own", "t"), **STALE) == "ENOTEMPTY"


def test_n5_so_making_a_directory_that_is_there_makes_its_name_fresh() -> None:
    node = machines()
    node.exists(1, "d")
    node.mkdir(0, "d")
    assert not is_fresh(node, 1, "d")
    assert node.do(1, Mkdir("d")) == "EEXIST"
    assert is_fresh(node, 1, "d")


def test_n6_an_open_sees_what_was_written_before_the_file_was_closed() -> None:
    node = machines()
    node.create(0, "f", b"old")
    assert node.content(1, "f") == b"old"
    node.create(0, "f", b"new one")
    assert node.content(1, "f") == b"new one"


def test_n6_until_it_is_closed_another_node_may_not_see_what_is_written() -> None:
    node = machines()
    writer = node.do(0, Open("f", CREATE))
    node.do(0, Write(writer, b"data"))
    reader = node.do(1, Open("f", os.O_RDONLY))
    assert node.may_be(node.do, 1, Read(reader, 10, 0), unflushed=1) == {b"data", b""}
    assert {each.size for each in node.may_be(node.do, 1, Stat("f"), unflushed=1)} == {0, 4}
    node.do(0, Fsync(writer))
    assert node.do(1, Read(reader, 10, 0)) == b"data"
    assert "unflushed" not in node.offered
    node.do(0, Write(writer, b" and more"))
    assert node.may_be(node.do, 1, Read(reader, 20, 0), unflushed=1, stale_data=1) == {b"data and more", b"data"}


def test_n6_who_keeps_a_file_open_may_go_on_to_read_the_old_content() -> None:
    node = machines()
    node.create(0, "f", b"old")
    reader = node.do(1, Open("f", os.O_RDONLY))
    assert node.do(1, Read(reader, 10, 0)) == b"old"
    node.create(0, "f", b"new")
    assert node.may_be(node.do, 1, Read(reader, 10, 0), stale_data=1) == {b"old", b"new"}
    node.later(3.1)
    assert node.do(1, Read(reader, 10, 0), stale_data=1) == b"new"


def test_n6_with_nocto_even_an_open_may_give_the_old_content() -> None:
    node = machines(nocto=True)
    node.create(0, "f", b"old")
    assert node.content(1, "f") == b"old"
    node.create(0, "f", b"new")
    reader = node.do(1, Open("f", os.O_RDONLY))
    assert node.do(1, Read(reader, 10), stale_data=1) == b"old"


def test_n7_a_file_that_the_own_node_has_open_is_renamed_instead_of_deleted() -> None:
    node = machines(ranks_per_node=2)
    node.mkdir(0, "d")
    node.create(0, "d/f", b"data")
    reader = node.do(1, Open("d/f", os.O_RDONLY))  # Rank 1 is on rank 0's node.
    assert node.do(0, Unlink("d/f")) is None
    [name] = node.names(0, "d")
    assert name.startswith(".nfs")
    assert len(name) == 4 + 16 + 8
    assert node.do(0, Unlink(f"d/{name}")) == "EBUSY"
    assert node.do(0, Rmdir("d")) == "ENOTEMPTY"
    assert node.do(1, Read(reader, 10)) == b"data"
    node.do(1, Close(reader))
    assert node.names(0, "d") == []
    assert node.do(0, Rmdir("d")) is None


def test_n7_so_is_one_that_is_replaced() -> None:
    node = machines()
    node.create(0, "f", b"old")
    node.create(0, "g", b"new")
    reader = node.do(0, Open("f", os.O_RDONLY))
    assert node.do(0, Rename("g", "f")) is None
    assert [name[:4] for name in node.names(0)] == [".nfs", "f"]
    assert node.do(0, Read(reader, 10)) == b"old"
    node.filesystem.release(0)
    assert node.names(0) == ["f"]


def test_n7_what_another_node_has_open_is_not_protected() -> None:
    node = machines(vers=3)
    node.create(0, "f", b"data")
    reader = node.do(1, Open("f", os.O_RDONLY))
    assert node.do(0, Unlink("f")) is None
    assert node.names(0) == []
    assert node.do(1, Read(reader, 10)) == "ESTALE"
    assert node.do(1, Stat(reader)) == "ESTALE"


def test_n8_a_path_over_a_stale_handle_is_walked_anew_and_a_descriptor_is_not() -> None:
    node = machines()
    node.mkdir(0, "d")
    directory = node.do(1, Open("d", os.O_RDONLY | os.O_DIRECTORY))
    assert node.exists(1, "d")
    node.do(0, Rmdir("d"))
    assert node.do(1, Mkdir("d/e"), **STALE) == "ENOENT"
    assert node.do(1, Mkdir("e", at=directory)) == "ESTALE"
    assert node.do(1, Stat("e", at=directory)) == "ESTALE"
    own = node.do(0, Mkdir("own")) or node.do(0, Open("own", os.O_RDONLY | os.O_DIRECTORY))
    node.do(0, Rmdir("own"))
    assert node.do(0, Mkdir("e", at=own)) == "ENOENT"


def test_n8_with_version_4_it_depends_on_the_server_whether_an_open_file_is_still_there() -> None:
    node = machines(vers=4)
    node.create(0, "f", b"data")
    reader = node.do(1, Open("f", os.O_RDONLY))
    node.do(0, Unlink("f"))
    assert node.may_be(node.do, 1, Read(reader, 10, 0), estale=1) == {b"data", "ESTALE"}


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (Rename("f", "g"), "ENOENT"),
        (Unlink("f"), "ENOENT"),
        (Rmdir("d"), "ENOENT"),
        (Mkdir("e"), "EEXIST"),
        (Link("f", "g"), "EEXIST"),
    ],
    ids=str,
)
def test_n9_a_request_that_is_sent_again_may_fail_although_it_was_carried_out(operation: object, said: str) -> None:
    node, again = machines(resent=1), machines(resent=1)
    for each in (node, again):
        each.create(0, "f")
        each.mkdir(0, "d")
    assert node.do(0, operation) is None  # type: ignore[arg-type]
    assert again.do(0, operation, resent=1) == said  # type: ignore[arg-type]
    assert again.filesystem.digest() == node.filesystem.digest()


def test_n9_no_reply_gets_lost_unless_that_is_asked_for() -> None:
    node = machines()
    node.create(0, "f")
    node.do(0, Rename("f", "g"))
    assert "resent" not in node.offered


def test_n10_a_rename_has_no_flags() -> None:
    """So nobody can ask for RENAME_NOREPLACE or RENAME_EXCHANGE, which give EINVAL on NFS."""
    assert Rename.__struct_fields__ == ("source", "target", "source_at", "target_at")


def test_n12_a_scan_through_a_descriptor_may_give_entries_that_were_read_before() -> None:
    node = machines()
    for name in ("a", "b", "c"):
        node.create(0, name)
    assert node.names(1) == ["a", "b", "c"]
    scanned = node.do(1, Open("", os.O_RDONLY | os.O_DIRECTORY))
    node.do(0, Unlink("a"))
    node.create(0, "d")
    assert node.may_be(lambda **w: tuple(node.names(1, scanned, **w)), stale_listing=1) == {
        ("a", "b", "c"),
        ("b", "c", "d"),
    }
    node.later(30.1)
    assert node.names(1, scanned, stale_listing=1) == ["b", "c", "d"]


def test_n12_a_long_scan_may_mix_old_pages_and_new_ones() -> None:
    node = machines(page_entries=2)
    for name in ("a", "b", "c", "d"):
        node.create(0, name)
    scanned = node.do(1, Open("", os.O_RDONLY | os.O_DIRECTORY))
    node.names(1, scanned)
    node.do(0, Unlink("a"))
    node.do(0, Unlink("c"))
    assert node.names(1, scanned, stale_listing=2) == ["a", "b", "d"]


def test_n13_o_excl_is_decided_by_the_server_and_appends_are_not() -> None:
    node = machines()
    node.create(0, "log")
    first, second = (node.do(rank, Open("log", os.O_WRONLY | os.O_APPEND)) for rank in (0, 1))
    node.do(0, Write(first, b"first"))
    node.do(1, Write(second, b"second"), unflushed=1)
    node.do(0, Close(first))
    node.do(1, Close(second))
    assert node.content(0, "log") == b"second"
    assert node.do(1, Open("log", CREATE | os.O_EXCL)) == "EEXIST"


def test_n13_appends_come_after_each_other_where_the_client_sees_the_end() -> None:
    node = machines()
    node.create(0, "log")
    for rank, text in ((0, b"first"), (1, b"second")):
        descriptor = node.do(rank, Open("log", os.O_WRONLY | os.O_APPEND))
        node.do(rank, Write(descriptor, text))
        node.do(rank, Close(descriptor))
    assert node.content(0, "log") == b"firstsecond"


def test_n13_an_exclusive_flock_needs_a_file_that_is_open_for_writing() -> None:
    node = machines()
    node.create(0, "f")
    reading = node.do(0, Open("f", os.O_RDONLY))
    writing = node.do(1, Open("f", os.O_RDWR))
    assert node.do(0, Lock(reading, fcntl.LOCK_EX)) == "EBADF"
    assert node.do(1, Lock(writing, fcntl.LOCK_EX)) is None
    assert node.do(0, Lock(reading, fcntl.LOCK_SH | fcntl.LOCK_NB)) == "EAGAIN"


def test_n13_a_lock_that_is_local_keeps_no_other_node_out() -> None:
    node = machines(local_lock="flock", ranks_per_node=2)
    node.create(0, "f")
    own, neighbour, other = (node.do(rank, Open("f", os.O_RDONLY)) for rank in (0, 1, 2))
    assert node.do(0, Lock(own, fcntl.LOCK_EX)) is None
    assert node.do(1, Lock(neighbour, fcntl.LOCK_EX | fcntl.LOCK_NB)) == "EAGAIN"
    assert node.do(2, Lock(other, fcntl.LOCK_EX)) is None
    assert node.do(0, Lock(own, fcntl.LOCK_UN)) is None
    assert node.do(1, Lock(neighbour, fcntl.LOCK_EX | fcntl.LOCK_NB)) is None


def test_n13_a_lock_makes_what_is_read_under_it_fresh() -> None:
    node = machines()
    node.create(0, "f", b"old")
    reader = node.do(1, Open("f", os.O_RDWR))
    node.do(1, Read(reader, 10, 0))
    writer = node.do(0, Open("f", os.O_RDWR))
    node.do(0, Lock(writer, fcntl.LOCK_EX))
    node.do(0, Write(writer, b"new", 0))
    node.do(0, Lock(writer, fcntl.LOCK_UN))
    node.do(1, Lock(reader, fcntl.LOCK_EX))
    assert node.do(1, Read(reader, 10, 0)) == b"new"
    assert not node.offered


def test_n14_fsync_of_a_directory_does_nothing_and_of_a_file_sends_what_was_written() -> None:
    node = machines()
    directory = node.do(0, Open("", os.O_RDONLY | os.O_DIRECTORY))
    writer = node.do(0, Open("f", CREATE))
    node.do(0, Write(writer, b"data"))
    assert node.do(0, Fsync(directory)) is None
    node.do(1, Stat("f"))
    assert "unflushed" in node.offered
    node.do(0, Write(writer, b" and more"))
    assert node.do(0, Fsync(writer)) is None
    node.do(1, Stat("f"))
    assert "unflushed" not in node.offered


@pytest.mark.parametrize("code", ["EIO", "ETIMEDOUT"])
def test_n15_on_a_soft_mount_what_was_written_may_be_lost_as_fsync_or_close_say(code: str) -> None:
    node = machines(soft=code, timeouts=1)
    writer = node.do(0, Open("f", CREATE))
    assert node.do(0, Write(writer, b"data"), timeout=1) == 4
    assert node.do(0, Fsync(writer), timeout=1) == code
    node.do(0, Write(writer, b"data", 4))
    assert node.do(0, Close(writer), timeout=1) == code
    assert node.content(1, "f") == b""


def test_n15_a_rename_that_timed_out_may_have_been_carried_out() -> None:
    done = {}
    for value in (1, 2):
        node = machines(soft="EIO", timeouts=1)
        node.create(0, "f")
        assert node.do(0, Rename("f", "g"), timeout=value) == "EIO"
        done[value] = node.names(0)
    assert done == {1: ["f"], 2: ["g"]}


def test_n15_a_hard_mount_waits() -> None:
    node = machines(timeouts=1)
    node.create(0, "f")
    assert "timeout" not in node.offered
