"""The POSIX model does what Linux does: random programs on the model, on tmpfs and on the checkout's disk."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from random import Random

import pytest

from simulator.filesystems import PosixModel, RealDirectory
from tests.filesystems.generation import RANKS, Program, Writer
from tests.filesystems.outcomes import PRIVILEGED, Inodes, alike, outcome, tree, unspecified


@pytest.mark.parametrize("seed", range(4))
def test_the_same_program_gives_the_same_results_and_the_same_tree(real_directory: Path, seed: int) -> None:
    random = Random(seed)
    carried_out = 0
    for part in range(50):
        root = real_directory / str(part)
        root.mkdir(mode=0o755)
        model, real = PosixModel(), RealDirectory(root)
        carried_out += compare(model, real, Writer(random, PRIVILEGED).program(550))
        assert list(tree(model)) == list(tree(real))
        for rank in range(RANKS):
            real.release(rank)
            model.release(rank)
        assert list(tree(model)) == list(tree(real))
        real.close()
    assert carried_out >= 25_000  # of each of four seeds, on each of two file systems


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
