"""A real directory looked at through copies: they are like it, and looking leaves no mark."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from simulator.campaigns.replay.disk import filesystem_type
from simulator.filesystems.snapshots import Snapshots, copy_tree, remove_tree
from simulator.operations import Mkdir, Open, Read, Stat, Unlink


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    (made / "sub").mkdir(parents=True)
    (made / "sub" / "file").write_bytes(b"content")
    (made / "sub" / "file").chmod(0o640)
    os.link(made / "sub" / "file", made / "hard")
    os.symlink("sub/file", made / "soft")
    os.symlink("nowhere", made / "broken")
    with open(made / "sparse", "wb") as file:
        file.truncate(1 << 32)
        file.seek(1 << 31)
        file.write(b"island")
    os.utime(made / "hard", ns=(5, 1_234_567_891))
    os.utime(made / "sub", ns=(5, 1_234_567_892))
    os.utime(made, ns=(5, 1_234_567_893))
    return made


def described(directory: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for parent, directories, files in os.walk(directory):
        for name in [".", *directories, *files]:
            path = Path(parent, name)
            status = path.lstat()
            text = os.readlink(path) if path.is_symlink() else None
            is_directory = stat.S_ISDIR(status.st_mode)
            mtime = None if path.is_symlink() else status.st_mtime_ns
            found[str(path.relative_to(directory))] = (
                status.st_mode, text, mtime, None if is_directory else (status.st_size, status.st_nlink),
            )  # fmt: skip
    return found


def test_a_copy_has_the_links_times_modes_and_holes_of_the_original(directory: Path, tmp_path: Path) -> None:
    before = described(directory)
    copy_tree(directory, tmp_path / "copy")
    assert described(tmp_path / "copy") == before
    assert described(directory) == before
    assert os.stat(tmp_path / "copy" / "sparse").st_blocks * 512 < 1 << 20
    with open(tmp_path / "copy" / "sparse", "rb") as file:
        file.seek((1 << 31) - 1)
        assert file.read(8) == b"\0island\0"


def test_what_is_done_to_a_view_is_forgotten(directory: Path, tmp_path: Path) -> None:
    before = described(directory)
    view = Snapshots(directory, tmp_path)
    mark = view.mark()
    view.perform(-1, Unlink("hard"))
    view.perform(-1, Mkdir("new"))
    inner = view.mark()
    view.perform(-1, Unlink("soft"))
    view.rollback(inner)
    assert stat.S_ISLNK(view.perform(-1, Stat("soft", follow=False)).mode)
    with pytest.raises(FileNotFoundError):
        view.perform(-1, Stat("hard"))
    view.rollback(mark)
    assert described(directory) == before
    assert os.listdir(tmp_path) == ["made"]


def test_a_later_view_sees_what_has_happened_meanwhile(directory: Path, tmp_path: Path) -> None:
    view = Snapshots(directory, tmp_path)
    numbers = [view.digest(), view.mtime_order()]
    (directory / "sub" / "file").write_bytes(b"changed")
    mark = view.mark()
    descriptor = view.perform(-1, Open("sub/file", os.O_RDONLY))
    assert view.perform(-1, Read(descriptor, -1)) == b"changed"
    view.release(-1)
    view.rollback(mark)
    assert view.digest() not in numbers, "nothing is known to be as it was"


def test_files_are_told_as_they_are_now(directory: Path, tmp_path: Path) -> None:
    assert sorted(Snapshots(directory, tmp_path).walk_files()) == [
        ("hard", 7), ("sparse", 1 << 32), ("sub/file", 7),
    ]  # fmt: skip


def test_a_directory_without_permissions_can_be_removed(tmp_path: Path) -> None:
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    inner.chmod(0)
    remove_tree(tmp_path / "outer")
    assert not (tmp_path / "outer").exists()


def test_the_type_of_a_file_system_is_that_of_the_nearest_mount() -> None:
    assert filesystem_type(Path("/proc/self")) == "proc"
    assert filesystem_type(Path("/dev/shm")) == "tmpfs"
