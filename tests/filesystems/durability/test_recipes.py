"""What programs that save something have after a power loss, by profile: as measured, and never less than promised."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from simulator.filesystems import PosixModel
from simulator.filesystems.durability import DurableModel, persistence_named
from simulator.operations import CHANGING, Close, Fsync, Operation
from tests.filesystems.durability.recipes import ALL, NEW, OLD, SAFE, TABLE, WRONG, Good, Row, old_file, rewrite, sync
from tests.filesystems.durability.running import Program, Tree, crashed, run_on, states, tree_of

MEASURED = [(row, persistence) for row in TABLE for persistence in row.measured]


@pytest.mark.parametrize(("row", "persistence"), MEASURED, ids=[f"{row.name}-{name}" for row, name in MEASURED])
def test_what_was_measured_is_allowed(row: Row, persistence: str) -> None:
    allowed = list(states(crashed(persistence, row.program, row.before)))
    for tree in row.measured[persistence]:
        assert tree in allowed


class AtEveryInstant:
    """The crash model, with what a power loss could leave after each operation, until something is not ``good``."""

    def __init__(self, model: DurableModel, good: Good) -> None:
        self.model = model
        self.good = good
        self.lost: Tree | None = None
        self.look()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        value = self.model.perform(rank, operation, now)
        if self.lost is None and (type(operation) in CHANGING or isinstance(operation, Close | Fsync)):
            self.look()
        return value

    def look(self) -> None:
        self.lost = next((tree for tree in states(self.model) if not self.good(tree)), None)


def lost_at_some_instant(persistence: str, program: Program, before: Program, good: Good) -> Tree | None:
    start = PosixModel()
    run_on(start, before)
    watched = AtEveryInstant(DurableModel(persistence_named(persistence), model=start), good)
    run_on(watched, program)
    return watched.lost


@pytest.mark.parametrize("persistence", ALL)
@pytest.mark.parametrize(("before", "program", "good"), SAFE, ids=[program.__name__ for _, program, _ in SAFE])
def test_a_safe_recipe_leaves_something_good_at_every_instant(
    persistence: str, before: Program, program: Program, good: Good
) -> None:
    assert lost_at_some_instant(persistence, program, before, good) is None


@pytest.mark.parametrize("persistence", ALL)
@pytest.mark.parametrize(
    ("before", "program", "good", "losing"), WRONG, ids=[program.__name__ for _, program, _, _ in WRONG]
)
def test_a_wrong_recipe_loses_something_where_real_file_systems_do(
    persistence: str, before: Program, program: Program, good: Good, losing: tuple[str, ...]
) -> None:
    lost = lost_at_some_instant(persistence, program, before, good)
    assert (lost is not None) == (persistence in losing)


def test_data_in_a_user_space_buffer_is_on_no_disk() -> None:
    """A sync of a descriptor does not flush the buffer above it: only what was written is synced."""

    def program(root: Path) -> None:
        with open(root / "f", "wb") as file:
            file.write(NEW[:100])
            os.fsync(file.fileno())
            found.extend(states(durable))

    found: list[Tree] = []
    durable = DurableModel(persistence_named("ext4"))
    run_on(durable, program)
    assert found == [{"f": b""}]


def test_a_truncated_file_has_its_size_again_once_it_is_closed() -> None:
    """Not its data, which nothing waits for: seen on ext4, whose blocks are allocated unwritten."""
    found = {tree["f"] for tree in states(crashed("ext4", rewrite, old_file))}
    assert {OLD, NEW, bytes(len(NEW))} <= found
    assert {len(data or b"") for data in found} == {len(NEW)}


def test_blocks_of_one_write_into_a_hole_are_lost_one_by_one() -> None:
    def hole(root: Path) -> None:
        (root / "f").touch()
        os.truncate(root / "f", 4096)

    def program(root: Path) -> None:
        with open(root / "f", "r+b", buffering=0) as file:
            file.write(b"n" * 4096)

    found = {tree["f"] for tree in states(crashed("ext4", program, hole, block_bytes=1024))}
    assert len(found) == 16
    found = {tree["f"] for tree in states(crashed("ext4", program, hole, block_bytes=1024, blocks_apart=2))}
    assert len(found) == 4
    assert len(list(states(crashed("ext4", program, hole)))) == 2


def test_a_truncation_fills_its_last_block_with_zeros() -> None:
    def program(root: Path) -> None:
        os.truncate(root / "f", 100)
        os.truncate(root / "f", 6000)

    small = {tree["f"] for tree in states(crashed("posix-min", program, old_file, block_bytes=1024))}
    assert OLD[:100] + bytes(924) + OLD[1024:] in small
    assert OLD[:100] + bytes(924) + OLD[1024:] not in {
        tree["f"] for tree in states(crashed("posix-min", program, old_file))
    }


@pytest.mark.parametrize("persistence", ["ext4", "btrfs"])
def test_a_commit_between_truncation_and_close_may_leave_an_empty_file(persistence: str) -> None:
    def program(root: Path) -> None:
        with open(root / "f", "wb", buffering=0) as file:
            fd = os.open(root, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)
            file.write(NEW)

    assert {"f": b""} in list(states(crashed(persistence, program, old_file)))


@pytest.mark.parametrize("persistence", ["ext4", "btrfs"])
def test_a_sync_of_anything_may_commit_a_truncation_before_what_was_written_since(persistence: str) -> None:
    """Seen on btrfs: the sync of another directory fell back to a commit, and a rewritten file was empty."""

    def program(root: Path) -> None:
        rewrite(root)
        os.mkdir(root / "d")
        sync(root / "d")

    assert {tree["f"] for tree in states(crashed(persistence, program, old_file))} > {OLD, NEW}


def test_a_slow_writer_gives_the_timer_time_to_commit_the_truncation() -> None:
    def program(root: Path) -> None:
        with open(root / "f", "wb", buffering=0) as file:
            time.sleep(6)
            file.write(NEW)

    assert {"f": b""} in list(states(crashed("ext4", program, old_file)))
    assert {"f": b""} not in list(states(crashed("ext4", program, old_file, commit_seconds=30.0)))


def names_after_a_rename(synced: bool, **options: Any) -> set[frozenset[str]]:
    def program(root: Path) -> None:
        (root / "f").write_bytes(b"new")
        if synced:
            sync(root / "f")
        os.replace(root / "f", root / "g")

    return {frozenset(tree) for tree in states(crashed("posix-min", program, old_file, **options))}


def test_the_rename_of_a_synced_file_is_atomic_unless_that_is_taken_away() -> None:
    old, new, both, none = map(frozenset, ("f", "g", "fg", ""))
    assert names_after_a_rename(synced=True) == {old, new}
    assert names_after_a_rename(synced=False) == {old, new, both}
    assert names_after_a_rename(synced=True, rename="torn") == {old, new, both, none}
    assert names_after_a_rename(synced=False, rename="atomic") == {old, new}


def test_the_disk_that_is_left_can_be_looked_at() -> None:
    durable = crashed("ext4", rewrite, old_file)
    assert tree_of(durable.state(durable.ordering().certain)) == {"f": OLD}
