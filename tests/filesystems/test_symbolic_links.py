"""Symbolic links: relative, below the root, dangling, in circles; and paths that try to leave the root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from simulator.filesystems import FIRST_DESCRIPTOR, LINK_TO_ROOT, PosixModel, RealDirectory
from simulator.operations import Mkdir, Open, Readdir, Readlink, Rename, Rmdir, Stat, Symlink, Write
from tests.filesystems.outcomes import Failed, outcome, tree

FD = FIRST_DESCRIPTOR
NOT_FOUND = Failed("FileNotFoundError", "ENOENT")


def test_a_link_is_followed_where_it_stands(real_directory: Path) -> None:
    real, model = RealDirectory(real_directory), PosixModel()
    for filesystem in (real, model):
        for operation in (Mkdir("a"), Mkdir("a/b"), Mkdir("c"), Symlink("../a/b", "c/up"), Symlink("b", "a/side")):
            filesystem.perform(0, operation)
        filesystem.perform(0, Mkdir("c/up/made"))
        filesystem.perform(0, Rename("a/side", "c/side"))
        assert [name for name, _, _ in filesystem.perform(0, Readdir("a/b"))] == ["made"]
        assert outcome(filesystem, 0, Stat("c/side"), 0) == NOT_FOUND
        assert filesystem.perform(0, Stat("c/side", follow=False)).size == 1
        assert filesystem.perform(0, Stat("c/up/made/../..")).inode == filesystem.perform(0, Stat("a")).inode
    assert list(tree(model)) == list(tree(real))
    real.close()


def test_a_link_below_the_root_leads_there_wherever_the_root_lies(real_directory: Path) -> None:
    real, model = RealDirectory(real_directory), PosixModel()
    for filesystem in (real, model):
        filesystem.perform(0, Mkdir("a"))
        filesystem.perform(0, Symlink(LINK_TO_ROOT + "/a", "link"))
        filesystem.perform(0, Symlink(LINK_TO_ROOT, "a/top"))
        filesystem.perform(0, Mkdir("link/top/b"))
        assert filesystem.perform(0, Readlink("link")) == LINK_TO_ROOT + "/a"
        assert filesystem.perform(0, Readlink("a/top")) == LINK_TO_ROOT
    assert os.readlink(real_directory / "link") == str(real_directory / "a")
    assert (real_directory / "b").is_dir()
    assert list(tree(model)) == list(tree(real))
    real.close()


@pytest.mark.parametrize(("length", "error"), [(40, None), (41, Failed("OSError", "ELOOP"))])
def test_forty_links_are_followed_and_no_more(real_directory: Path, length: int, error: Failed | None) -> None:
    real, model = RealDirectory(real_directory), PosixModel()
    for filesystem in (real, model):
        filesystem.perform(0, Mkdir("0"))
        for number in range(length):
            filesystem.perform(0, Symlink(str(number), str(number + 1)))
        found = outcome(filesystem, 0, Stat(str(length)), 0)
        assert (found if isinstance(found, Failed) else None) == error
    real.close()


def test_creating_through_a_dangling_link_makes_what_it_points_to() -> None:
    model = PosixModel()
    model.perform(0, Symlink("made", "link"))
    exclusive = Open("link", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    assert outcome(model, 0, exclusive, 0) == Failed("FileExistsError", "EEXIST")
    assert outcome(model, 0, Open("link", os.O_RDONLY), 0) == NOT_FOUND
    assert outcome(model, 0, Mkdir("link"), 0) == Failed("FileExistsError", "EEXIST")
    model.perform(0, Open("link", os.O_CREAT | os.O_WRONLY))
    assert [path for path, _ in model.walk_files()] == ["link", "made"]


@pytest.mark.parametrize("text", ["/etc", "/", LINK_TO_ROOT + "x", "/" + "x" * 300])
def test_an_absolute_link_out_of_the_root_dangles_in_the_model(text: str) -> None:
    model = PosixModel()
    model.perform(0, Symlink(text, "out"))
    assert outcome(model, 0, Stat("out"), 0) == NOT_FOUND
    assert model.perform(0, Readlink("out")) == text


def test_paths_that_climb_out_stay_at_the_root(real_directory: Path) -> None:
    inside = real_directory / "root"
    inside.mkdir()
    real, model = RealDirectory(inside), PosixModel()
    for filesystem in (real, model):
        top = filesystem.perform(0, Stat("")).inode
        filesystem.perform(0, Mkdir("a"))
        filesystem.perform(0, Open("a", os.O_RDONLY))
        for path, at in (
            ("..", None),
            ("a/../..", None),
            ("../../a/..", None),
            ("..", FD),
            ("../..", FD),
            ("../../.", FD),
        ):
            assert filesystem.perform(0, Stat(path, at=at)).inode == top
        filesystem.perform(0, Mkdir("../../b"))
        filesystem.perform(0, Mkdir("../../c", at=FD))
        filesystem.perform(0, Write(filesystem.perform(0, Open("../f", os.O_CREAT | os.O_WRONLY)), b"x"))
        assert outcome(filesystem, 0, Rmdir(".."), 0) == Failed("FileExistsError", "EEXIST")
        assert outcome(filesystem, 0, Rename("a", ".."), 0) == Failed("OSError", "EBUSY")
        assert [name for name, _, _ in filesystem.perform(0, Readdir("a/../.."))] == ["a", "b", "c", "f"]
    assert [entry.name for entry in real_directory.iterdir()] == ["root"]
    real.close()
