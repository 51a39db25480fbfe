"""Descriptors: what is open lives on without a name, positions are shared by dup, directories serve as places."""

from __future__ import annotations

import os

import pytest

from simulator.filesystems import FIRST_DESCRIPTOR, PosixModel
from simulator.operations import (
    Close,
    Dup,
    Link,
    Mkdir,
    Open,
    Read,
    Readdir,
    Readlink,
    Rename,
    Rmdir,
    Seek,
    Stat,
    Symlink,
    Truncate,
    Unlink,
    Write,
)
from tests.filesystems.outcomes import Failed, outcome

FD = FIRST_DESCRIPTOR
CREATE = os.O_CREAT | os.O_RDWR


@pytest.fixture
def model() -> PosixModel:
    return PosixModel()


def test_each_rank_gets_its_smallest_free_descriptor(model: PosixModel) -> None:
    numbers = [model.perform(rank, Open("f", CREATE)) for rank in (0, 0, 1, 0)]
    assert numbers == [FD, FD + 1, FD, FD + 2]
    model.perform(0, Close(FD))
    model.perform(0, Close(FD + 1))
    assert [model.perform(0, Open("f", CREATE)) for _ in range(3)] == [FD, FD + 1, FD + 3]
    model.release(0)
    assert model.perform(0, Open("f", CREATE)) == FD
    assert model.perform(1, Stat(FD)).size == 0


def test_inode_numbers_come_from_a_stream_of_each_rank(model: PosixModel) -> None:
    assert model.perform(0, Stat("")).inode == 1
    for rank, path in ((0, "a"), (1, "b"), (0, "c"), (-1, "d"), (-2, "e")):
        model.perform(rank, Mkdir(path))
    numbers = {path: inode.number for path, inode in model.walk_files()}
    assert (numbers["a"], numbers["b"], numbers["c"]) == (1 << 32 | 1, 2 << 32 | 1, 1 << 32 | 2)
    assert len(set(numbers.values())) == 5
    assert min(numbers.values()) > 1


def test_an_unlinked_file_can_still_be_written_and_read(model: PosixModel) -> None:
    model.perform(0, Open("f", CREATE))
    model.perform(1, Unlink("f"))
    model.perform(0, Write(FD, b"alive"))
    assert model.perform(0, Read(FD, 10, 0)) == b"alive"
    assert model.perform(0, Stat(FD)).links == 0
    assert outcome(model, 0, Stat("f"), 0) == Failed("FileNotFoundError", "ENOENT")
    model.perform(1, Open("f", CREATE))
    assert model.perform(1, Read(FD, 10)) == b""


def test_a_replaced_file_stays_what_it_was_for_its_reader(model: PosixModel) -> None:
    for path in ("old", "new"):
        number = model.perform(0, Open(path, CREATE))
        model.perform(0, Write(number, path.encode()))
    model.perform(1, Rename("new", "old"))
    assert model.perform(0, Read(FD, 10, 0)) == b"old"
    assert [path for path, _ in model.walk_files()] == ["old"]


def test_dup_shares_the_position_and_a_second_open_does_not(model: PosixModel) -> None:
    model.perform(0, Open("f", CREATE))
    model.perform(0, Write(FD, b"0123456789"))
    twin = model.perform(0, Dup(FD))
    other = model.perform(0, Open("f", os.O_RDONLY))
    model.perform(0, Seek(twin, 3))
    assert model.perform(0, Read(FD, 2)) == b"34"
    assert model.perform(0, Read(twin, 2)) == b"56"
    assert model.perform(0, Read(other, 2)) == b"01"
    model.perform(0, Close(FD))
    assert model.perform(0, Read(twin, 2)) == b"78"


def test_appending_writers_never_overwrite_each_other(model: PosixModel) -> None:
    for rank in (0, 1):
        model.perform(rank, Open("f", os.O_CREAT | os.O_WRONLY | os.O_APPEND))
    for rank, data in ((0, b"a"), (1, b"b"), (0, b"c")):
        model.perform(rank, Write(FD, data))
    model.perform(1, Write(FD, b"d", 0))  # with O_APPEND, pwrite appends too (pwrite(2), BUGS)
    model.perform(2, Open("f", os.O_RDONLY))
    assert model.perform(2, Read(FD, -1)) == b"abcd"


def test_a_write_behind_a_truncation_leaves_a_hole(model: PosixModel) -> None:
    model.perform(0, Open("f", CREATE))
    model.perform(0, Write(FD, b"0123456789"))
    model.perform(1, Truncate("f", 0))
    model.perform(0, Write(FD, b"x"))
    assert model.perform(0, Read(FD, -1, 0)) == bytes(10) + b"x"


def test_a_directory_descriptor_follows_the_directory(model: PosixModel) -> None:
    for path in ("d", "d/in", "e"):
        model.perform(0, Mkdir(path))
    model.perform(0, Open("d", os.O_RDONLY | os.O_DIRECTORY))
    model.perform(1, Rename("d", "e/moved"))
    model.perform(0, Mkdir("new", at=FD))
    assert [name for name, _, _ in model.perform(1, Readdir("e/moved"))] == ["in", "new"]
    assert model.perform(0, Stat("..", at=FD)).inode == model.perform(0, Stat("e")).inode
    model.perform(0, Rename("new", "out", source_at=FD))
    model.perform(0, Rmdir("in", at=FD))
    model.perform(1, Rmdir("e/moved"))
    assert model.perform(0, Readdir(FD)) == ()
    assert model.perform(0, Stat(FD)).links == 0
    assert outcome(model, 0, Mkdir("new", at=FD), 0) == Failed("FileNotFoundError", "ENOENT")


def test_a_path_descriptor_names_a_file_and_does_nothing_else(model: PosixModel) -> None:
    model.perform(0, Symlink("text", "link"))
    model.perform(0, Open("link", os.O_PATH | os.O_NOFOLLOW))
    assert model.perform(0, Readlink("", at=FD)) == "text"
    assert model.perform(0, Stat(FD)).size == 4
    for operation in (Read(FD, 1), Write(FD, b"x"), Truncate(FD, 0)):
        assert outcome(model, 0, operation, 0) == Failed("OSError", "EBADF")


def test_an_unnamed_temporary_file_is_refused_so_that_tempfile_takes_another_way(model: PosixModel) -> None:
    assert outcome(model, 0, Open("", os.O_TMPFILE | os.O_RDWR), 0) == Failed("OSError", "ENOTSUP")


def test_all_names_of_a_file_are_one_file(model: PosixModel) -> None:
    model.perform(0, Open("a", CREATE))
    model.perform(0, Link("a", "b"))
    model.perform(0, Write(FD, b"x"))
    assert model.perform(0, Stat("a")) == model.perform(0, Stat("b"))
    assert model.perform(0, Stat("a")).links == 2
    model.perform(0, Unlink("a"))
    model.perform(0, Rename("b", "c"))
    assert (model.perform(0, Stat("c")).links, model.perform(0, Stat("c")).size) == (1, 1)


def test_the_end_of_a_rank_closes_what_it_had_open(model: PosixModel) -> None:
    model.perform(0, Open("f", CREATE))
    model.release(0)
    model.release(0)
    assert outcome(model, 0, Read(FD, 1), 0) == Failed("OSError", "EBADF")
