"""pyfakefs as a file system: agrees with the model on what checkpointing code does, and says what it cannot do."""

from __future__ import annotations

import fcntl
import os
from random import Random
from typing import Any

import pytest

import simulator
from simulator.errors import CannotDo
from simulator.filesystems import FIRST_DESCRIPTOR, LINK_TO_ROOT, PosixModel
from simulator.filesystems.pyfakefs import PyfakefsFilesystem
from simulator.operations import (
    AccessCheck,
    Close,
    Dup,
    Extent,
    Link,
    Lock,
    Mkdir,
    Open,
    Operation,
    Read,
    Readdir,
    Readlink,
    Rename,
    Rmdir,
    Seek,
    Stat,
    Symlink,
    Unlink,
    Utime,
    Write,
)
from tests.filesystems.generation import Writer
from tests.filesystems.outcomes import Failed, outcome, tree

FD = FIRST_DESCRIPTOR
FLAGS = (os.O_RDONLY, os.O_RDWR, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, os.O_CREAT | os.O_EXCL | os.O_WRONLY)


class PlainWriter(Writer):
    """Draws what checkpointing code does: whole files under plain names in directories.

    Contents are compared at the end, since a reader of pyfakefs that keeps a file open does not see it truncated.
    """

    def operation(self, rank: int) -> Operation:
        pick = self.random.choice
        match self.random.randrange(10):
            case 0 | 1:
                return Mkdir(self.path(), 0o755)
            case 2:
                return Rmdir(self.path())
            case 3:
                return Unlink(self.path())
            case 4 | 5:
                return Rename(self.path(), self.path())
            case 6:
                return Open(self.path(), pick(FLAGS), 0o644)
            case 7:
                return Write(self.descriptor(rank), pick((b"x", b"yy" * 100)))
            case 8:
                return pick((Readdir(self.path()), Stat(self.path()), AccessCheck(self.path(), os.F_OK)))
            case _:
                return Close(self.descriptor(rank))


def plainly(result: Any) -> Any:
    """What must agree: kinds, sizes, names, contents, and whether it failed; not with which of several true errors."""
    if isinstance(result, Failed):
        return Failed
    if isinstance(result, tuple):
        return [entry[:2] for entry in result]
    return (result.mode, result.size) if hasattr(result, "mode") else result


@pytest.mark.parametrize("seed", range(4))
def test_it_agrees_with_the_model_on_plain_programs(seed: int) -> None:
    random = Random(seed)
    succeeded = 0
    for _ in range(12):
        model, fake, writer = PosixModel(), PyfakefsFilesystem(), PlainWriter(random, crowded=True)
        writer.odd = 0
        for now in range(1, 150):
            rank = random.randrange(2)
            operation = writer.operation(rank)
            expected = outcome(model, rank, operation, now)
            given = outcome(fake, rank, operation, now)
            assert plainly(given) == plainly(expected), (operation, given, expected)
            writer.note(rank, operation, expected)
            succeeded += not isinstance(expected, Failed)
        assert [(path, content) for path, _, _, content in tree(fake)] == [
            (path, content) for path, _, _, content in tree(model)
        ]
    assert succeeded > 300


def test_times_are_those_of_the_virtual_clock_and_move_in_directories_too() -> None:
    fake = PyfakefsFilesystem()
    fake.perform(0, Mkdir("d"), 10)
    fake.perform(0, Open("d/f", os.O_CREAT | os.O_WRONLY), 20)
    assert fake.perform(0, Stat("d"), 25).modified == 20
    fake.perform(0, Write(FD, b"x"), 30)
    assert [fake.perform(0, Stat(path)).modified for path in ("d", "d/f")] == [20, 30]
    fake.perform(0, Utime("d", (1, 2)), 40)
    assert fake.perform(0, Stat("d")).modified == 2
    assert fake.mtime_order() == (("", 1), ("d", 0), ("d/f", 2))


def test_links_of_both_kinds_work() -> None:
    fake = PyfakefsFilesystem()
    fake.perform(0, Open("f", os.O_CREAT | os.O_WRONLY))
    fake.perform(0, Link("f", "g"))
    fake.perform(0, Symlink(LINK_TO_ROOT + "/f", "l"))
    fake.perform(0, Write(FD, b"one"))
    assert fake.perform(0, Readlink("l")) == LINK_TO_ROOT + "/f"
    assert (fake.perform(0, Stat("l")).links, fake.perform(0, Stat("g")).size) == (2, 3)


def test_a_judgement_leaves_no_mark() -> None:
    fake = PyfakefsFilesystem()
    fake.perform(0, Mkdir("d"), 1)
    fake.perform(0, Open("d/f", os.O_CREAT | os.O_RDWR), 2)
    fake.perform(0, Write(FD, b"kept"), 3)
    before = fake.digest(), fake.mtime_order(), list(tree(fake))
    mark = fake.mark()
    for operation in (
        Rename("d", "e"),
        Unlink("e/f"),
        Rmdir("e"),
        Mkdir("new"),
        Open("new/f", os.O_CREAT | os.O_WRONLY),
    ):
        fake.perform(-1, operation, 9)
    fake.release(-1)
    assert fake.digest() != before[0]
    fake.rollback(mark)
    assert (fake.digest(), fake.mtime_order(), list(tree(fake))) == before
    assert fake.perform(0, Read(FD, 10, 0)) == b"kept"


def test_dup_shares_the_position_and_outlives_the_original() -> None:
    fake = PyfakefsFilesystem()
    fake.perform(0, Open("f", os.O_CREAT | os.O_RDWR))
    fake.perform(0, Write(FD, b"0123"))
    twin = fake.perform(0, Dup(FD))
    fake.perform(0, Seek(FD, 1))
    fake.perform(0, Close(FD))
    assert fake.perform(0, Read(twin, 2)) == b"12"


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (Lock(FD, fcntl.LOCK_EX), "pyfakefs cannot do lock"),
        (Open("f", os.O_PATH), "pyfakefs cannot do open so: O_PATH"),
        (Write(FD, Extent(1 << 40)), "1099511627776 bytes are too many"),
        (Mkdir("/tmp/a"), r"no directory for temporary files \(/tmp/a\)"),
    ],
)
def test_what_it_cannot_do_is_refused_by_a_clear_word(operation: Operation, words: str) -> None:
    fake = PyfakefsFilesystem()
    fake.perform(0, Open("f", os.O_CREAT | os.O_RDWR))
    with pytest.raises(CannotDo, match=words):
        fake.perform(0, operation)


def test_a_node_that_dies_takes_nothing_with_it() -> None:
    result = simulator.explore("staged-barrier", filesystem="pyfakefs", schedules=4, restarts=1,
                               faults=simulator.Faults(node_kills=1))  # fmt: skip
    assert result.verdict == "clean"
