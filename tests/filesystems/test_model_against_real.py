"""The POSIX model does what Linux does: random programs on the model, on tmpfs and on the checkout's disk."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from simulator.filesystems import Attributes, PosixModel, RealDirectory
from simulator.operations import Operation
from tests.filesystems.durability.mounting import KINDS, images, mounted, reason_not_to
from tests.filesystems.generation import RANKS, Program, Writer
from tests.filesystems.outcomes import PRIVILEGED, Inodes, alike, outcome, tree, unspecified


@pytest.mark.parametrize("seed", range(4))
def test_the_same_program_gives_the_same_results_and_the_same_tree(real_directory: Path, seed: int) -> None:
    assert carried_out_alike(real_directory, seed) >= 25_000  # of each of four seeds, on each of two file systems


@pytest.mark.slow
@pytest.mark.parametrize("filesystem", KINDS)
def test_so_it_is_on_file_systems_in_images(filesystem: str) -> None:
    kind = KINDS[filesystem]
    reason = reason_not_to(kind)
    if reason is not None:
        pytest.skip(reason)
    with images(kind, 1) as (image,), mounted(image) as directory:
        make = LikeBtrfs if kind.name == "btrfs" else PosixModel
        assert sum(carried_out_alike(directory / "root", seed, make) for seed in range(4)) >= 100_000


class LikeBtrfs:
    """The model, but for the link counts of directories: btrfs does not count what is in them."""

    def __init__(self) -> None:
        self.model = PosixModel()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        given = self.model.perform(rank, operation, now)
        if isinstance(given, Attributes) and stat.S_ISDIR(given.mode):
            return msgspec.structs.replace(given, links=min(given.links, 1))
        return given


def carried_out_alike(directory: Path, seed: int, make: Callable[[], Any] = PosixModel) -> int:
    """Carry random programs out below a real directory and on the model, and count the operations."""
    random = Random(seed)
    carried_out = 0
    for part in range(50):
        root = directory / str(part)
        root.mkdir(mode=0o755, parents=True)
        model = make()
        with closing(RealDirectory(root)) as real:
            carried_out += compare(model, real, Writer(random, PRIVILEGED).program(550))
            assert list(tree(model)) == list(tree(real))
            for rank in range(RANKS):
                real.release(rank)
                model.release(rank)
            assert list(tree(model)) == list(tree(real))
        shutil.rmtree(root)
    return carried_out


def compare(model: PosixModel, real: RealDirectory, program: Program) -> int:
    """Carry a program out on both, compare every result, and count the operations."""
    inodes = Inodes()
    rank, operation = next(program)
    for now in count(1):
        given = None
        if not unspecified(model, rank, operation):
            expected = outcome(real, rank, operation, now)
            given = outcome(model, rank, operation, now)
            assert alike(given, expected, inodes), (now, rank, operation, given, expected)
        try:
            rank, operation = program.send(given)
        except StopIteration:
            return now
    raise AssertionError
