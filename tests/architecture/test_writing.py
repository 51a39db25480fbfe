"""Files that this program leaves are whole or absent, and take the place of nothing but a file."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from simulator.errors import UsageError
from simulator.writing import write_new, write_whole


def test_a_file_is_replaced_whole_with_the_mode_that_open_gives(tmp_path: Path) -> None:
    opened, written = tmp_path / "opened", tmp_path / "deep" / "written"
    opened.touch()
    write_whole(written, b"first")
    write_whole(written, b"second")
    assert written.read_bytes() == b"second"
    assert written.stat().st_mode == opened.stat().st_mode
    assert os.listdir(written.parent) == ["written"]


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    write_whole(tmp_path / "link", b"data")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"data"


def test_a_pipe_or_a_device_is_written_to_and_stays_what_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_whole(pipe, b"data")
    reader.join()
    assert read == [b"data"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_what_cannot_be_written_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(UsageError, match=f"{tmp_path}/taken: Is a directory"):
        write_whole(tmp_path / "taken", b"")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"file/below: (File exists|Not a directory)"):
        write_whole(tmp_path / "file" / "below", b"")
    assert sorted(os.listdir(tmp_path)) == ["file", "taken"]


@pytest.mark.parametrize("unnamed", [True, False])
def test_a_new_file_has_its_name_when_it_is_whole_and_takes_no_other_ones(
    tmp_path: Path, unnamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not unnamed:  # As on file systems that have no files without a name.
        monkeypatch.setattr("simulator.writing._linked", lambda path, data, new=False: False)
    file = tmp_path / "deep" / "file"
    assert write_new(file, b"first")
    assert not write_new(file, b"second")
    assert file.read_bytes() == b"first"
    write_whole(file, b"third")
    assert file.read_bytes() == b"third"
    assert file.stat().st_mode & 0o777 == 0o666 & ~current_umask()
    assert os.listdir(file.parent) == ["file"]


def current_umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
