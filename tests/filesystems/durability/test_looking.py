"""Disks that a power loss leaves, as real directories."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from simulator.filesystems.durability.looking import states_of, write_tree
from tests.filesystems.durability.mounting import tree_on
from tests.filesystems.durability.recipes import TABLE, Row
from tests.filesystems.durability.running import crashed, run_on, states, tree_of


@pytest.mark.parametrize("row", TABLE[8:12], ids=lambda row: row.name)
def test_every_state_can_be_looked_at_with_what_is_lost_in_it(row: Row, tmp_path: Path) -> None:
    durable = crashed("ext4", row.program, row.before)
    found = list(states_of(durable))
    assert found[0].lost == "nothing"
    assert tree_of(found[0].disk) == tree_of(durable)  # type: ignore[arg-type]
    assert [tree_of(state.disk) for state in found] == list(states(durable))
    for number, state in enumerate(found):
        write_tree(state.disk, tmp_path / str(number))
        assert tree_on(tmp_path / str(number)) == tree_of(state.disk)


def odd(root: Path) -> None:
    """What is neither a directory nor a plain small file, and modes."""
    with open(root / "large", "wb") as file:
        file.seek(10**12)
        file.write(b"end")
    os.link(root / "large", root / "twin")
    os.symlink("large", root / "relative")
    os.symlink(root / "large", root / "absolute")
    os.mkfifo(root / "pipe")
    os.mkdir(root / "closed")
    (root / "closed" / "f").write_bytes(b"f")
    os.chmod(root / "closed" / "f", 0o400)
    os.chmod(root / "closed", 0o500)


def test_links_pipes_modes_and_large_files_are_written_too(tmp_path: Path) -> None:
    durable = crashed("nfs", odd)
    run_on(durable, lambda root: None)
    directory = tmp_path / "disk"
    write_tree(durable.state(durable.ordering().all), directory)
    large = (directory / "large").stat()
    assert (large.st_size, large.st_nlink, large.st_blocks < 1000) == (10**12 + 3, 2, True)
    assert os.readlink(directory / "relative") == "large"
    assert os.readlink(directory / "absolute") == str(directory / "large")
    assert (directory / "pipe").is_fifo()
    assert [(directory / name).stat().st_mode & 0o777 for name in ("closed", "closed/f")] == [0o500, 0o400]
    os.chmod(directory / "closed", 0o700)
