"""flock: who conflicts with whom, who has to wait, and what goes with a descriptor; the model as the kernel."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.filesystems import FIRST_DESCRIPTOR, Filesystem, PosixModel, RealDirectory, WouldBlock
from simulator.operations import Close, Dup, Lock, Open
from tests.filesystems.outcomes import Failed, outcome

FD = FIRST_DESCRIPTOR
SHARED, EXCLUSIVE, UNLOCK, AT_ONCE = fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_UN, fcntl.LOCK_NB
REFUSED = Failed("BlockingIOError", "EAGAIN")
MUST_WAIT = Failed("WouldBlock", "EAGAIN")


@pytest.fixture(params=["model", "real"])
def filesystem(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Filesystem]:
    """Two ranks that have the same file open as their first descriptor."""
    real = RealDirectory(tmp_path)
    chosen: Filesystem = PosixModel() if request.param == "model" else real
    for rank in (0, 1):
        assert chosen.perform(rank, Open("f", os.O_CREAT | os.O_RDWR)) == FD
    yield chosen
    real.close()


def lock(filesystem: Filesystem, rank: int, how: int, descriptor: int = FD) -> object:
    return outcome(filesystem, rank, Lock(descriptor, how), 0)


def test_shared_locks_go_together_and_an_exclusive_one_with_none(filesystem: Filesystem) -> None:
    assert lock(filesystem, 0, SHARED) is None
    assert lock(filesystem, 1, SHARED) is None
    assert lock(filesystem, 0, UNLOCK) is None
    assert lock(filesystem, 0, EXCLUSIVE | AT_ONCE) == REFUSED
    assert lock(filesystem, 0, EXCLUSIVE) == MUST_WAIT
    assert lock(filesystem, 1, UNLOCK) is None
    assert lock(filesystem, 0, EXCLUSIVE) is None
    assert lock(filesystem, 1, SHARED) == MUST_WAIT


def test_a_lock_that_is_held_already_is_no_wait(filesystem: Filesystem) -> None:
    for how in (SHARED, SHARED, EXCLUSIVE, EXCLUSIVE, SHARED, UNLOCK, UNLOCK):
        assert lock(filesystem, 0, how) is None


def test_a_conversion_that_fails_has_lost_the_old_lock(filesystem: Filesystem) -> None:
    assert lock(filesystem, 0, SHARED) is None
    assert lock(filesystem, 1, SHARED) is None
    assert lock(filesystem, 0, EXCLUSIVE | AT_ONCE) == REFUSED
    assert lock(filesystem, 1, EXCLUSIVE) is None


def test_a_lock_belongs_to_the_description_and_goes_with_its_last_descriptor(filesystem: Filesystem) -> None:
    twin = filesystem.perform(0, Dup(FD))
    assert lock(filesystem, 0, EXCLUSIVE) is None
    assert lock(filesystem, 0, EXCLUSIVE, twin) is None
    filesystem.perform(0, Close(FD))
    assert lock(filesystem, 1, SHARED | AT_ONCE) == REFUSED
    filesystem.perform(0, Close(twin))
    assert lock(filesystem, 1, SHARED | AT_ONCE) is None


def test_two_opens_by_one_rank_exclude_each_other(filesystem: Filesystem) -> None:
    second = filesystem.perform(0, Open("f", os.O_RDONLY))
    assert lock(filesystem, 0, EXCLUSIVE) is None
    assert lock(filesystem, 0, SHARED | AT_ONCE, second) == REFUSED


def test_the_end_of_a_rank_lets_its_locks_go(filesystem: Filesystem) -> None:
    assert lock(filesystem, 0, EXCLUSIVE) is None
    filesystem.release(0)
    assert lock(filesystem, 1, EXCLUSIVE) is None


@pytest.mark.parametrize("how", [0, AT_ONCE, SHARED | EXCLUSIVE, 64])
def test_nonsense_is_refused(filesystem: Filesystem, how: int) -> None:
    assert lock(filesystem, 0, how) == Failed("OSError", "EINVAL")


def test_whether_a_lock_would_wait_can_be_asked_without_trying() -> None:
    model = PosixModel()
    for rank in (0, 1):
        model.perform(rank, Open("f", os.O_CREAT | os.O_RDWR))
    assert not model.would_wait(1, Lock(FD, EXCLUSIVE))
    model.perform(0, Lock(FD, SHARED))
    assert model.would_wait(1, Lock(FD, EXCLUSIVE))
    assert not model.would_wait(1, Lock(FD, SHARED))
    assert not model.would_wait(0, Lock(FD, EXCLUSIVE))
    assert not model.would_wait(1, Lock(FD + 5, EXCLUSIVE))
    assert WouldBlock().would_wait
