"""The digest names the tree: equal for equal trees however they came about, different for different ones."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import permutations
from random import Random
from typing import Any

import pytest

from simulator.filesystems import PosixModel
from simulator.operations import (
    Chmod,
    Chown,
    Extent,
    Link,
    Mkdir,
    Open,
    Operation,
    Rename,
    Rmdir,
    Symlink,
    Truncate,
    Unlink,
    Utime,
    Write,
)
from tests.filesystems.generation import RANKS, Writer
from tests.filesystems.outcomes import outcome, tree

CREATE = os.O_CREAT | os.O_RDWR


def made(*operations: Operation) -> PosixModel:
    model = PosixModel()
    for now, operation in enumerate(operations, 1):
        model.perform(0, operation, now)
    return model


def file_with(path: str, *data: bytes | Extent) -> PosixModel:
    model = PosixModel()
    descriptor = model.perform(0, Open(path, CREATE, 0o644))
    for piece in data:
        model.perform(0, Write(descriptor, piece))
    model.release(0)
    return model


def test_the_order_of_independent_creations_does_not_matter() -> None:
    creations = (Mkdir("a"), Mkdir("b"), Open("c", CREATE), Symlink("a", "d"))
    assert len({made(*order).digest() for order in permutations(creations)}) == 1


def test_ranks_descriptors_times_and_history_do_not_matter() -> None:
    plain = made(Mkdir("d"), Open("d/f", CREATE))
    other = PosixModel()
    for now, (rank, operation) in enumerate(
        [
            (5, Mkdir("x")), (3, Open("x/g", CREATE)), (3, Rename("x", "d")), (2, Mkdir("d/gone")),
            (1, Rmdir("d/gone")), (4, Rename("d/g", "d/f")), (4, Utime("d", (1, 2))), (0, Link("d/f", "h")),
            (0, Unlink("h")),
        ]
    ):  # fmt: skip
        other.perform(rank, operation, 100 + now)
        other.digest()
    assert other.digest() == plain.digest()
    assert other.mtime_order() != plain.mtime_order()


def test_content_counts_and_not_how_it_was_written() -> None:
    assert file_with("f", b"ab", b"cd").digest() == file_with("f", b"abcd").digest()
    assert file_with("f", Extent(100)).digest() == file_with("f", bytes(100)).digest()
    assert (
        file_with("f", Extent(200_000), b"x").digest() == file_with("f", bytes(150_000), bytes(50_000), b"x").digest()
    )
    assert file_with("f", b"abcd").digest() != file_with("f", b"abce").digest()
    assert file_with("f", Extent(200_000)).digest() != file_with("f", Extent(200_001)).digest()


def test_trees_that_differ_in_one_thing_have_different_digests() -> None:
    trees = [
        made(), made(Mkdir("a")), made(Mkdir("b")), made(Mkdir("a", 0o700)), made(Open("a", CREATE)),
        made(Symlink("b", "a")), made(Symlink("c", "a")), made(Mkdir("a"), Mkdir("b")), made(Mkdir("a"), Mkdir("a/b")),
        made(Mkdir("a"), Chown("a", 1, -1)), made(Mkdir("a"), Chown("a", -1, 1)), made(Chmod("", 0o700)),
        made(Chown("", 1, -1)), made(Open("a", CREATE), Open("b", CREATE)), made(Open("a", CREATE), Link("a", "b")),
        made(Open("a", CREATE), Truncate("a", 1)), made(Mkdir("a"), Mkdir("a/b"), Mkdir("a/b/c")),
        made(Mkdir("a"), Mkdir("a/b"), Mkdir("a/c")), made(Mkdir("a"), Open("a/b", CREATE)),
    ]  # fmt: skip
    assert len({model.digest() for model in trees}) == len(trees)


def test_renaming_a_directory_does_not_walk_what_is_in_it() -> None:
    model = made(Mkdir("a"), *(Mkdir(f"a/{number}") for number in range(1000)), Mkdir("b"))
    model.digest()
    model.perform(0, Rename("a", "b/a"))
    directory = model._tree.root.entries["b"].entries["a"]
    assert directory.summary is not None
    assert not directory.summary.stale
    assert (
        model.digest() == made(Mkdir("b"), Mkdir("b/a"), *(Mkdir(f"b/a/{number}") for number in range(1000))).digest()
    )


def test_deep_trees_need_no_recursion() -> None:
    model = PosixModel()
    at = None
    for _ in range(3000):
        model.perform(0, Mkdir("d", at=at))
        at = model.perform(0, Open("d", os.O_RDONLY, at=at))
    assert model.digest() == model.digest()
    model.perform(0, Mkdir("d", at=at))
    assert sum(1 for _ in model.walk_files()) == 3001


@pytest.mark.parametrize("seed", range(5))
def test_the_incremental_digest_is_that_of_a_fresh_look(seed: int) -> None:
    """Equal digests for equal trees and different ones for different trees, along random programs."""
    random = Random(seed)
    seen: dict[int, object] = {}
    for _ in range(15):
        model, writer = PosixModel(), Writer(random, crowded=True)
        for now in range(1, 150):
            rank = random.randrange(RANKS)
            operation = writer.operation(rank)
            writer.note(rank, operation, outcome(model, rank, operation, now))
            if random.random() < 0.3:
                # Which file a further name belongs to is not told apart (see digest.py), so inode numbers stay out.
                known: list[Any] = [
                    (path, mode, 0 if mode & 0o040000 else links, size, content)
                    for path, _, (mode, links, size, *_), content in tree(model)
                ]
                known.append(
                    [(inode.uid, inode.gid) for inode in (model._tree.root, *dict(model.walk_files()).values())]
                )
                assert seen.setdefault(model.digest(), known) == known
    trees = [repr(known) for known in seen.values()]
    assert len(set(trees)) == len(trees)


def test_the_digest_does_not_depend_on_the_hash_seed() -> None:
    program = (
        "from simulator.filesystems import PosixModel\n"
        "from simulator.operations import Mkdir, Symlink\n"
        "m = PosixModel()\n"
        "for name in 'abcdefgh': m.perform(0, Mkdir(name)); m.perform(0, Symlink(name, name + '/l'))\n"
        "print(m.digest())"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(printed) == 1


def test_the_order_of_times_names_paths_and_ties() -> None:
    model = PosixModel()
    for path, now in (("b", 30), ("a", 20), ("b/c", 40), ("d", 40)):
        model.perform(0, Mkdir(path), now)
    assert model.mtime_order() == (("", 1), ("a", 0), ("b", 1), ("b/c", 1), ("d", 1))
