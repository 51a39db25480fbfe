"""What the standard library asks of the file system, operation by operation, is what CPython asks of the kernel."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from simulator.operations import Link, Mkdir, Open, Rename, Stat, Symlink, Unlink, Write, paths_of
from tests.boundary.direct import ROOT, DirectCaller, running

HERE = Path(ROOT)


@pytest.fixture
def checkpoint(caller: DirectCaller) -> DirectCaller:
    """A directory ``c`` with a file, and a file in a directory below; nothing noted yet."""
    with running(caller):
        os.makedirs(HERE / "c" / "d")
        (HERE / "c" / "f").write_bytes(b"1")
        (HERE / "c" / "d" / "g").write_bytes(b"2")
    caller.operations.clear()
    return caller


def named(caller: DirectCaller) -> list[str]:
    """Operations with the paths that they name."""
    shown = [" ".join([type(o).__name__.lower(), *paths_of(o)]) for o in caller.operations]
    caller.operations.clear()
    return shown


def test_makedirs_looks_before_it_makes(caller: DirectCaller) -> None:
    with running(caller):
        os.makedirs(HERE / "a" / "b" / "c")
    assert named(caller) == ["stat a/b", "stat a", "stat ", "mkdir a", "mkdir a/b", "mkdir a/b/c"]


def test_rmtree_goes_by_descriptors(checkpoint: DirectCaller) -> None:
    with running(checkpoint):
        shutil.rmtree(HERE / "c")
    inner = ["stat d", "open d", "stat", "readdir", "unlink g", "close", "rmdir d"]
    # Since 3.13 a directory's own files go before the directories in it.
    order = ["unlink f", *inner] if sys.version_info >= (3, 13) else [*inner, "unlink f"]
    assert named(checkpoint) == ["stat c", "open c", "stat", "readdir", *order, "close", "rmdir c"]


def test_copytree_and_move(checkpoint: DirectCaller) -> None:
    with running(checkpoint):
        shutil.move(HERE / "c", HERE / "e")
        assert named(checkpoint) == ["stat e", "rename c e"]
        shutil.copyfile(HERE / "e" / "f", HERE / "h")
        assert named(checkpoint) == [
            "stat e/f", "stat h", "stat e/f", "stat h", "open e/f", "open h", "stat", "read", "write", "read", "close",
            "close",
        ]  # fmt: skip


def test_temporary_files_have_names_of_the_rank(caller: DirectCaller) -> None:
    with running(caller), tempfile.TemporaryDirectory(dir=HERE) as directory:
        name = os.path.basename(directory)
        assert named(caller) == [f"mkdir {name}"]
        with tempfile.NamedTemporaryFile("w", dir=directory) as file:
            file.write("x")
        inside = os.path.basename(file.name)
        path = f"{name}/{inside}"
        unsought = [line for line in named(caller) if line != "seek"]
        assert unsought == [f"open {path}", "write", "close", f"unlink {path}"]
    again = DirectCaller()
    with running(again):
        assert os.path.basename(tempfile.mkdtemp(dir=HERE)) == name
    with running(DirectCaller(rank=1)):
        assert os.path.basename(tempfile.mkdtemp(dir=HERE)) != name


def test_files(caller: DirectCaller) -> None:
    with running(caller):
        (HERE / "f").write_bytes(b"x" * 20)
        assert caller.operations == [
            Open("f", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), Write(1 << 30, b"x" * 20), caller.operations[2]
        ]  # fmt: skip
        assert named(caller) == ["open f", "write", "close"]
        assert (HERE / "f").read_text() == "x" * 20
        assert named(caller) == ["open f", "read", "close"]
        with open("f", "a") as file:
            file.write("y")
        assert [line for line in named(caller) if line != "seek"] == ["open f", "write", "close"]
        with open("f", "rb") as binary:
            assert binary.read(3) == b"xxx"
            os.rename("f", "g")
        assert named(caller) == ["open f", "read", "rename f g", "close"]


def test_a_json_file_is_one_write(caller: DirectCaller) -> None:
    with running(caller):
        with open("state.json", "w", encoding="utf-8") as file:
            json.dump({"global_step": 3, "log_history": [1, 2, 3]}, file, indent=2)
        assert named(caller) == ["open state.json", "write", "close"]
        with open("state.json", encoding="utf-8") as file:
            assert json.load(file)["global_step"] == 3
        assert named(caller) == ["open state.json", "read", "close"]


def test_what_is_not_flushed_is_not_written(caller: DirectCaller) -> None:
    with running(caller), open("f", "wb") as file:
        file.write(b"x")
        os.fsync(file)
        assert named(caller) == ["open f", "fsync"]
        file.flush()
        assert named(caller) == ["write"]


def test_pathlib(checkpoint: DirectCaller) -> None:
    with running(checkpoint):
        (HERE / "p" / "q").mkdir(parents=True)
        assert named(checkpoint) == ["mkdir p/q", "mkdir p", "mkdir p/q"]
        (HERE / "p" / "t").touch()
        assert named(checkpoint) == ["utime p/t", "open p/t", "close"]
        assert sorted((HERE / "c").iterdir()) == [HERE / "c" / "d", HERE / "c" / "f"]
        assert named(checkpoint) == ["readdir c"]
        assert [path.name for path in HERE.glob("c*")] == ["c"]
        assert "readdir " in named(checkpoint)
        (HERE / "c" / "f").rename(HERE / "c" / "h")
        assert named(checkpoint) == ["rename c/f c/h"]
        assert (HERE / "c" / "absent").exists() is False
        assert named(checkpoint) == ["stat c/absent"]
        (HERE / "c" / "h").unlink()
        assert named(checkpoint) == ["unlink c/h"]


def test_walking_asks_for_nothing_but_the_scans(checkpoint: DirectCaller) -> None:
    with running(checkpoint):
        assert [files for _, _, files in os.walk(HERE / "c")] == [["f"], ["g"]]
    assert [line for line in named(checkpoint) if not line.startswith("stat")] == ["readdir c", "readdir c/d"]


def test_zip_files(caller: DirectCaller) -> None:
    with running(caller):
        with zipfile.ZipFile(HERE / "z", "w") as archive:
            archive.writestr("a", "1")
        assert {kind.split()[0] for kind in named(caller)} == {"open", "write", "seek", "close"}
        with zipfile.ZipFile(HERE / "z") as archive:
            assert archive.read("a") == b"1"


def test_directory_descriptors_and_links(checkpoint: DirectCaller) -> None:
    with running(checkpoint):
        fd = os.open(HERE / "c", os.O_RDONLY)
        checkpoint.operations.clear()
        os.mkdir("n", dir_fd=fd)
        os.rename("n", "m", src_dir_fd=fd, dst_dir_fd=fd)
        os.link("f", "k", src_dir_fd=fd, dst_dir_fd=fd)
        os.unlink("k", dir_fd=fd)
        os.stat(HERE / "c" / "f", dir_fd=fd)
        os.symlink(HERE / "c", "s")
        assert checkpoint.operations == [
            Mkdir("n", 0o755, fd), Rename("n", "m", fd, fd), Link("f", "k", fd, fd, True), Unlink("k", fd), Stat("c/f"),
            Symlink("/\x1fckptrace-root/c", "s"),
        ]  # fmt: skip
        assert os.readlink("s") == f"{ROOT}/c"
        assert os.readlink(b"s") == f"{ROOT}/c".encode()


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_the_umask_is_the_ranks(caller: DirectCaller, mask: int) -> None:
    with running(caller):
        assert os.umask(mask) == 0o022
        os.mkdir("d")
        open("f", "w").close()
        found: Any = [oct(os.stat(name).st_mode & 0o777) for name in ("d", "f")]
    assert found == [oct(0o777 & ~mask), oct(0o666 & ~mask)]
