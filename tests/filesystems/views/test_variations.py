"""What real file systems do in different ways is one of a set, by option or by choice. N11 and N16 are rules of NFS."""

from __future__ import annotations

import os
from typing import Any

import pytest

from simulator.errors import UsageError
from simulator.filesystems.posix import PosixModel
from simulator.filesystems.profiles import by_profile
from simulator.operations import Mkdir, Open, Readdir, Rename, Rmdir, Stat
from tests.filesystems.views.machines import CREATE, Machines


def machines(profile: str = "shared", **options: Any) -> Machines:
    return Machines(by_profile(profile, options, nodes=2))


def with_a_full_directory(node: Machines) -> Machines:
    for path in ("d", "full", "full/e"):
        node.mkdir(0, path)
    return node


def test_n11_what_a_rename_over_a_full_directory_says_is_a_matter_of_the_servers_file_system() -> None:
    node = with_a_full_directory(machines("nfs"))
    assert node.may_be(node.do, 0, Rename("d", "full"), errno=1) == {"ENOTEMPTY", "EEXIST"}


@pytest.mark.parametrize("errno", ["ENOTEMPTY", "EEXIST"])
def test_it_can_be_set(errno: str) -> None:
    node = with_a_full_directory(machines("nfs", rename_over=errno))
    assert node.do(0, Rename("d", "full")) == errno
    assert "errno" not in node.offered
    assert node.do(0, Rmdir("full")) == "ENOTEMPTY"


def test_n16_a_directory_that_is_made_anew_may_have_the_number_of_the_one_before() -> None:
    numbers = {}
    for value in (0, 1):
        node = machines("nfs", inodes="reused")
        node.mkdir(0, "d")
        before = node.do(0, Stat("d")).inode
        node.do(0, Rmdir("d"))
        node.do(1, Mkdir("d"), inode=value)
        numbers[value] = node.do(1, Stat("d")).inode == before
        assert node.do(1, Readdir(""))[0][2] == node.do(1, Stat("d")).inode
    assert numbers == {0: False, 1: True}


def test_the_number_of_a_file_that_is_still_open_is_not_used_again() -> None:
    node = machines(inodes="reused")
    node.mkdir(0, "d")
    node.do(0, Open("d", os.O_RDONLY))
    node.do(0, Rmdir("d"))
    node.mkdir(0, "e")
    assert "inode" not in node.offered


def test_two_changes_may_get_the_same_time() -> None:
    node = machines(mtime="ties")
    node.mkdir(0, "a")
    node.do(0, Mkdir("b"), tie=1)
    node.mkdir(0, "c")
    times = {name: node.do(0, Stat(name)).modified for name in "abc"}
    assert times["a"] == times["b"] < times["c"]
    places = dict(node.filesystem.mtime_order())
    assert places["a"] == places["b"] < places["c"]


def test_a_scan_may_come_in_every_order_of_a_few_names_and_in_some_of_many() -> None:
    node = machines(listing="any")
    for name in "abc":
        node.mkdir(0, name)
    orders = {tuple(node.names(0, listing=value)) for value in range(6)}
    assert len(orders) == 6
    for name in "defgh":
        node.mkdir(0, name)
    node.names(0)
    orders = {tuple(node.names(0, listing=value)) for value in range(node.options["listing"])}
    assert len(orders) == 8


@pytest.mark.parametrize(("listing", "names"), [("reverse", ["c", "b", "a"]), ("hash", None)])
def test_a_scan_in_a_fixed_order_is_no_choice(listing: str, names: list[str] | None) -> None:
    node = machines(listing=listing)
    for name in "abc":
        node.mkdir(0, name)
    assert node.names(0) == node.names(1)
    assert names is None or node.names(0) == names
    assert not node.offered


def test_what_does_not_vary_is_the_model_itself() -> None:
    assert isinstance(by_profile("shared"), PosixModel)
    assert isinstance(by_profile("local", {"listing": "names"}), PosixModel)


def test_everything_is_undone() -> None:
    node = machines(inodes="reused", mtime="ties", listing="any", rename_over="either")
    node.mkdir(0, "a")
    before = [node.do(0, Stat("a")), node.filesystem.mtime_order(), node.filesystem.digest()]
    mark = node.filesystem.mark()
    node.do(0, Rmdir("a"))
    node.do(1, Mkdir("a"), inode=1, tie=1)
    node.do(1, Open("f", CREATE), inode=1, tie=1)
    node.filesystem.rollback(mark)
    assert [node.do(0, Stat("a")), node.filesystem.mtime_order(), node.filesystem.digest()] == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"listing": "sideways"}, "listing: 'sideways' is none of names, reverse, hash, any"),
        ({"variations": -1}, "variations"),
        ({"acregmin": 3}, "unknown option 'acregmin'"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        by_profile("shared", options)
