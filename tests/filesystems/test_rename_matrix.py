"""Every kind of thing renamed onto every other kind: the model as rename(2) says, and as tmpfs and the disk do it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from simulator.filesystems import FIRST_DESCRIPTOR, Filesystem, PosixModel, RealDirectory
from simulator.operations import Link, Mkdir, Open, Rename, Symlink, Write
from tests.filesystems.outcomes import Failed, outcome, tree

READY = (
    Mkdir("empty"), Mkdir("other"), Mkdir("full"), Mkdir("full/inner"), Mkdir("full/inner/most"),
    Open("full/file", os.O_CREAT | os.O_WRONLY), Open("file", os.O_CREAT | os.O_WRONLY),
    Write(FIRST_DESCRIPTOR + 1, b"x"),
    Open("second", os.O_CREAT | os.O_WRONLY), Link("file", "twin"), Symlink("file", "to-file"),
    Symlink("full", "to-full"),
    Symlink("nowhere", "dangling"), Symlink("loop", "loop"),
)  # fmt: skip
NAMES = (
    "empty", "other", "full", "full/inner", "full/inner/most", "full/inner/most/new", "full/file", "file",
    "second", "twin",
    "to-file", "to-full", "to-full/file", "dangling", "loop", "loop/new", "missing", "missing/new", "file/new",
    "empty/new",
    "empty/", "file/", "to-full/", "missing/", "", ".", "..", "full/.", "full/..", "n" * 256, "empty/" + "n" * 256,
)  # fmt: skip


def prepared(filesystem: Filesystem) -> None:
    for step, operation in enumerate(READY):
        filesystem.perform(0, operation, step)


@pytest.mark.parametrize("source", NAMES, ids=lambda name: name[:20] or "root")
def test_the_model_renames_as_the_kernel_does(real_directory: Path, source: str) -> None:
    real, used = RealDirectory(real_directory), True
    for number, target in enumerate(NAMES):
        if used:
            # A rename that failed leaves everything as it was, so only a successful one needs another directory.
            real.close()
            root = real_directory / str(number)
            root.mkdir(mode=0o755)
            real = RealDirectory(root)
            prepared(real)
        model = PosixModel()
        prepared(model)
        expected = outcome(real, 0, Rename(source, target), 100)
        assert outcome(model, 0, Rename(source, target), 100) == expected, target
        assert list(tree(model)) == list(tree(real)), target
        used = not isinstance(expected, Failed)
    real.close()


@pytest.mark.parametrize(
    ("source", "target", "code"),
    [
        ("file", "second", None), ("file", "new", None), ("file", "twin", None), ("file", "file", None),
        ("file", "empty", "EISDIR"), ("file", "full", "EISDIR"), ("file", "to-full", None),
        ("file", "missing/new", "ENOENT"),
        ("file", "second/new", "ENOTDIR"), ("file", "new/", "ENOTDIR"), ("empty", "new", None), ("empty", "new/", None),
        ("empty", "other", None), ("empty", "full", "EEXIST"), ("full", "empty", None), ("full", "other", None),
        ("empty", "file", "ENOTDIR"), ("empty", "to-full", "ENOTDIR"), ("full", "full/inner/new", "EINVAL"),
        ("full", "full/inner", "EINVAL"), ("full/inner", "full", "EEXIST"), ("full", "full", None),
        ("missing", "new", "ENOENT"),
        ("missing", "full", "ENOENT"), ("loop/new", "new", "ELOOP"), ("loop", "new", None), (".", "new", "EBUSY"),
        ("empty", "", "EBUSY"), ("empty/..", "new", "EBUSY"), ("file", "n" * 256, "ENAMETOOLONG"),
    ],
)  # fmt: skip
def test_a_rename_gives_the_documented_error(source: str, target: str, code: str | None) -> None:
    model = PosixModel()
    prepared(model)
    result = outcome(model, 0, Rename(source, target), 100)
    assert (result.code if isinstance(result, Failed) else result) == code


def test_a_renamed_directory_keeps_what_is_in_it_and_loses_its_old_name() -> None:
    model = PosixModel()
    prepared(model)
    model.perform(0, Rename("full", "empty"), 100)
    assert [path for path, _ in model.walk_files() if path.startswith(("full", "empty"))] == [
        "empty", "empty/file", "empty/inner", "empty/inner/most"
    ]  # fmt: skip
