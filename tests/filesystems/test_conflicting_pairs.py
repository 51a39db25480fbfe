"""Which pairs of operations conflict: each kind of thing once, and what must stay free of conflict."""

from __future__ import annotations

import fcntl
import os
from typing import Any

import pytest

from simulator.filesystems import FIRST_DESCRIPTOR, PosixModel
from simulator.operations import (
    Access,
    Chmod,
    Close,
    Dup,
    Footprint,
    Link,
    Lock,
    Mkdir,
    Mode,
    Open,
    Operation,
    Read,
    Readdir,
    Rename,
    Rmdir,
    Seek,
    Stat,
    Truncate,
    Unlink,
    Utime,
    Write,
    change_time,
    conflict,
    links,
    modification_time,
)
from tests.filesystems.outcomes import outcome

FD = FIRST_DESCRIPTOR
"""Rank 0 has the directory ``d`` open, rank 1 the file ``f`` and on it a shared lock, rank 2 ``f`` as well."""


@pytest.fixture
def model() -> PosixModel:
    model = PosixModel()
    for rank, operation in (
        (0, Mkdir("d")), (0, Mkdir("e")), (0, Mkdir("e/x")), (0, Mkdir("full")), (0, Mkdir("full/in")),
        (0, Open("d", os.O_RDONLY)), (1, Open("f", os.O_CREAT | os.O_RDWR)), (1, Write(FD, b"0123456789")),
        (1, Seek(FD, 0)), (1, Lock(FD, fcntl.LOCK_SH)), (1, Link("f", "g")), (2, Open("f", os.O_RDONLY)),
        (2, Dup(FD)),
    ):  # fmt: skip
        model.perform(rank, operation, 1)
    return model


def footprint(model: PosixModel, rank: int, operation: Operation) -> Footprint:
    accesses: list[Access] = []
    model.accesses = accesses
    outcome(model, rank, operation, 5)
    model.accesses = None
    return tuple(accesses)


def conflict_of(model: PosixModel, first: tuple[int, Operation], second: tuple[int, Operation]) -> Any:
    """The facet by which the two conflict when done in this order, then in the other one."""
    found = []
    for one, other in ((first, second), (second, first)):
        mark = model.mark()
        thing = conflict(footprint(model, *one), footprint(model, *other))
        found.append(None if thing is None else thing[1])
        model.rollback(mark)
    assert (found[0] is None) == (found[1] is None)
    return found[0]


@pytest.mark.parametrize(
    ("first", "second", "facet"),
    [
        ((0, Mkdir("n")), (1, Mkdir("n")), "/n"),
        ((0, Mkdir("n")), (1, Stat("n")), "/n"),
        ((0, Mkdir("n")), (1, Readdir("")), ":listing"),
        ((0, Rename("f", "h")), (1, Readdir("")), ":listing"),
        ((0, Rename("e/x", "d/x")), (1, Mkdir("e/x/../new")), "/x"),
        ((0, Mkdir("n", at=FD)), (1, Rmdir("d")), ":listing"),
        ((1, Rmdir("d")), (0, Mkdir("n", at=FD)), ":attributes"),
        ((0, Rename("d", "e/d")), (1, Rename("e", "d/e")), "/d"),
        ((1, Rename("d", "full/d")), (0, Stat("..", at=FD)), "/.."),
        ((1, Rename("d", "full/d")), (0, Rename("full", "n", target_at=FD)), "/.."),
        ((0, Chmod("d", 0o2700)), (1, Mkdir("d/n")), ":attributes"),
        ((0, Chmod("f", 0o600)), (1, Stat("g")), ":attributes"),
        ((0, Truncate("f", 3)), (1, Read(FD, 10)), ":data"),
        ((0, Truncate("f", 3)), (1, Stat("g")), ":data"),
        ((0, Truncate("f", 3)), (1, Seek(FD, 0, os.SEEK_END)), ":data"),
        ((0, Open("f", os.O_WRONLY | os.O_TRUNC)), (1, Read(FD, 10)), ":data"),
        ((1, Lock(FD, fcntl.LOCK_EX | fcntl.LOCK_NB)), (2, Lock(FD, fcntl.LOCK_SH | fcntl.LOCK_NB)), ":lock"),
        ((1, Lock(FD, fcntl.LOCK_UN)), (2, Lock(FD, fcntl.LOCK_EX | fcntl.LOCK_NB)), ":lock"),
        ((1, Close(FD)), (2, Lock(FD, fcntl.LOCK_EX | fcntl.LOCK_NB)), ":lock"),
        ((2, Read(FD, 1)), (2, Read(FD + 1, 1)), ":position of 1073741824"),
        ((2, Open("g", os.O_RDONLY)), (2, Open("f", os.O_RDONLY)), ":free"),
        ((2, Dup(FD)), (2, Open("f", os.O_RDONLY)), ":free"),
        ((0, Readdir(FD)), (0, Seek(FD, 0, os.SEEK_CUR)), ":position of 1073741824"),
        ((2, Close(FD)), (2, Read(FD, 1)), "/1073741824"),
        ((2, Lock(FD, fcntl.LOCK_SH)), (2, Lock(FD + 1, fcntl.LOCK_SH)), ":lock of 1073741824"),
        ((2, Mkdir("m")), (2, Mkdir("n")), ":created"),
    ],
)  # fmt: skip
def test_operations_conflict_by_what_one_of_them_changes(
    model: PosixModel, first: tuple[int, Operation], second: tuple[int, Operation], facet: str
) -> None:
    assert conflict_of(model, first, second) == facet


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((0, Mkdir("m")), (1, Mkdir("n"))),
        ((0, Mkdir("m")), (1, Unlink("g"))),
        ((0, Unlink("f")), (1, Unlink("g"))),
        ((0, Link("f", "h")), (1, Stat("f"))),
        ((0, Utime("f")), (1, Stat("f"))),
        ((0, Utime("f")), (1, Write(FD, b"x"))),
        ((0, Rename("d", "n")), (1, Write(FD, b"x"))),
        ((0, Mkdir("d/n")), (1, Stat("d"))),
        ((0, Lock(FD, fcntl.LOCK_SH)), (1, Lock(FD, fcntl.LOCK_SH))),
        ((1, Lock(FD, fcntl.LOCK_UN)), (2, Lock(FD, fcntl.LOCK_SH))),
        ((0, Stat("f")), (1, Read(FD, 10))),
        ((0, Open("g", os.O_RDONLY)), (1, Open("g", os.O_RDONLY))),
        ((0, Rmdir("full")), (1, Rmdir("full"))),
        ((1, Rmdir("d")), (0, Stat("n", at=FD))),
    ],
)
def test_operations_that_do_not_disturb_each_other_do_not_conflict(
    model: PosixModel, first: tuple[int, Operation], second: tuple[int, Operation]
) -> None:
    assert conflict_of(model, first, second) is None


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        (Mkdir("d/n"), "d"), (Rmdir("e/x"), "e"), (Rmdir("e/x"), "e/x"), (Unlink("g"), "f"), (Link("f", "h"), "f"),
        (Rename("e/x", "d/x"), "d"), (Rename("e/x", "d/x"), "e"), (Rename("e/x", "d"), "d"), (Rename("g", "f"), "f"),
    ],
)  # fmt: skip
def test_a_look_at_a_link_count_conflicts_with_its_changes(model: PosixModel, operation: Operation, path: str) -> None:
    number = model.perform(0, Stat(path)).inode
    changed = dict(footprint(model, 0, operation))
    hard_linked = operation == Rename("g", "f")  # both lead to one inode: nothing happens
    assert (conflict(tuple(changed.items()), ((links(number), Mode.READ),)) is None) == hard_linked


def test_a_look_at_times_conflicts_with_what_moves_them(model: PosixModel) -> None:
    file, directory = (model.perform(0, Stat(path)).inode for path in ("f", "d"))
    mtime, ctime = {modification_time(file), modification_time(directory)}, {change_time(file), change_time(directory)}
    mark = model.mark()
    for rank, operation, moved in (
        (1, Write(FD, b"x"), modification_time(file)), (0, Chmod("f", 0), change_time(file)),
        (0, Mkdir("d/n"), modification_time(directory)), (0, Rename("d", "n"), change_time(directory)),
        (0, Rmdir("d"), change_time(directory)), (0, Unlink("g"), change_time(file)),
        (0, Link("g", "h"), change_time(file)), (0, Utime("d"), modification_time(directory)),
    ):  # fmt: skip
        touched = dict(footprint(model, rank, operation))
        assert {thing for thing in touched if thing in mtime | ctime} == {moved}, operation
        assert touched[moved] is Mode.UPDATE
        model.rollback(mark)
        mark = model.mark()
    assert dict(footprint(model, 0, Utime("f", (1, 1))))[modification_time(file)] is Mode.WRITE


@pytest.mark.parametrize("operation", [Mkdir("n"), Open("n", os.O_CREAT | os.O_WRONLY)])
def test_what_is_made_has_a_time_that_can_be_compared(model: PosixModel, operation: Operation) -> None:
    mark = model.mark()
    touched = dict(footprint(model, 0, operation))
    made = model.perform(0, Stat("n")).inode
    model.rollback(mark)
    assert touched[modification_time(made)] is Mode.UPDATE
