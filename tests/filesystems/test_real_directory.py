"""The real directory: what is its own beside what it shares with the model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from simulator.errors import UsageError
from simulator.filesystems import FIRST_DESCRIPTOR, PosixModel, RealDirectory
from simulator.filesystems.profiles import by_profile
from simulator.filesystems.pyfakefs import PyfakefsFilesystem
from simulator.operations import Close, Extent, Fsync, Mkdir, Open, Read, Stat, Statvfs, Write

FD = FIRST_DESCRIPTOR
CREATE = os.O_CREAT | os.O_RDWR


def test_a_size_without_bytes_becomes_a_hole(real_directory: Path) -> None:
    real = RealDirectory(real_directory)
    real.perform(0, Open("f", CREATE, 0o644))
    assert real.perform(0, Write(FD, b"header")) == 6
    assert real.perform(0, Write(FD, Extent(1 << 36))) == 1 << 36
    assert real.perform(0, Write(FD, b"end")) == 3
    assert real.perform(0, Read(FD, 4, (1 << 36) + 5)) == b"\0end"
    real.close()
    status = (real_directory / "f").stat()
    assert status.st_size == (1 << 36) + 9
    assert status.st_blocks * 512 < 1 << 20


def test_a_size_without_bytes_wipes_what_was_there(real_directory: Path) -> None:
    real, model = RealDirectory(real_directory), PosixModel()
    for filesystem in (real, model):
        filesystem.perform(0, Open("f", CREATE))
        filesystem.perform(0, Write(FD, b"x" * 3_000_000))
        assert filesystem.perform(0, Write(FD, Extent(2_500_000), 100_000)) == 2_500_000
        assert filesystem.perform(0, Write(FD, Extent(10))) == 10
    assert real.perform(0, Read(FD, -1, 0)) == model.perform(0, Read(FD, -1, 0))
    real.close()


def test_modes_are_final_whatever_the_umask_of_this_process(real_directory: Path) -> None:
    real = RealDirectory(real_directory)
    before = os.umask(0o077)
    try:
        real.perform(0, Mkdir("d", 0o777))
        real.perform(0, Open("f", CREATE, 0o666))
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    assert [real.perform(0, Stat(path)).mode & 0o777 for path in ("d", "f")] == [0o777, 0o666]
    real.close()


def test_a_rank_that_ends_gives_its_descriptors_back_to_the_kernel(real_directory: Path) -> None:
    real = RealDirectory(real_directory)
    before = len(os.listdir("/proc/self/fd"))
    for rank in (0, 0, 1):
        real.perform(rank, Open("f", CREATE))
    real.perform(0, Fsync(FD))
    real.perform(0, Close(FD))
    real.release(0)
    real.release(1)
    assert len(os.listdir("/proc/self/fd")) == before
    real.close()


def test_a_root_that_is_a_link_is_the_directory_behind_it(real_directory: Path) -> None:
    (real_directory / "there").mkdir()
    (real_directory / "here").symlink_to("there")
    real = RealDirectory(real_directory / "here")
    real.perform(0, Mkdir("d"))
    assert (real_directory / "there" / "d").is_dir()
    assert real.perform(0, Statvfs("")) == PosixModel().perform(0, Statvfs(""))
    real.close()


def test_a_root_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        RealDirectory(tmp_path / "missing")


def test_file_systems_have_names() -> None:
    assert isinstance(by_profile("shared"), PosixModel)
    assert isinstance(by_profile("pyfakefs"), PyfakefsFilesystem)
    with pytest.raises(UsageError, match=r"unknown profile 'ntfs'; known are .*local, .*nfs, .*pyfakefs, shared"):
        by_profile("ntfs")
