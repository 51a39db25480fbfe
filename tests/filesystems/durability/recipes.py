"""Programs that save something, with what real file systems had kept of it after a crash.

The crashes were made on Linux 6.18 by copying the image of a mounted file system at once, some seconds later, and when
everything had been written back; ``test_real_crashes.py`` makes them again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.filesystems.durability.running import Program, Tree

SIZE = 6000
OLD, NEW = b"o" * SIZE, b"n" * SIZE
EMPTY = b""


def write(path: Path, data: bytes, sync: bool = False) -> None:
    with open(path, "wb", buffering=0) as file:
        file.write(data)
        if sync:
            os.fsync(file.fileno())


def sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def nothing(root: Path) -> None:
    """A disk with nothing on it."""


def old_file(root: Path) -> None:
    write(root / "f", OLD)


def old_checkpoint(root: Path) -> None:
    os.mkdir(root / "ckpt-1")
    write(root / "ckpt-1" / "a", OLD)
    write(root / "ckpt-1" / "b", OLD)


def old_link(root: Path) -> None:
    os.mkdir(root / "old")
    write(root / "old" / "a", OLD)
    os.symlink("old", root / "latest")


def two_directories(root: Path) -> None:
    os.mkdir(root / "d1")
    os.mkdir(root / "d2")
    write(root / "d1" / "f", OLD)


def create(root: Path) -> None:
    write(root / "f", NEW)


def create_and_sync(root: Path) -> None:
    write(root / "f", NEW, sync=True)


def replace(root: Path) -> None:
    write(root / "tmp", NEW)
    os.replace(root / "tmp", root / "f")


def replace_and_sync_directory(root: Path) -> None:
    replace(root)
    sync(root)


def sync_and_replace(root: Path) -> None:
    write(root / "tmp", NEW, sync=True)
    os.replace(root / "tmp", root / "f")


def sync_replace_and_sync_directory(root: Path) -> None:
    sync_and_replace(root)
    sync(root)


def publish(root: Path, name: str = "ckpt-2", each: bool = False, parent: bool = False) -> None:
    os.mkdir(root / "tmp")
    write(root / "tmp" / "a", NEW, sync=each)
    write(root / "tmp" / "b", NEW, sync=each)
    os.rename(root / "tmp", root / name)
    if parent:
        sync(root)


def publish_and_sync_parent(root: Path) -> None:
    publish(root, parent=True)


def publish_synced_files(root: Path) -> None:
    publish(root, each=True)


def publish_all_synced(root: Path) -> None:
    publish(root, each=True, parent=True)


def publish_and_delete(root: Path) -> None:
    publish(root)
    shutil.rmtree(root / "ckpt-1")


def publish_delete_and_sync_parent(root: Path) -> None:
    publish_and_delete(root)
    sync(root)


def mark_done(root: Path) -> None:
    os.mkdir(root / "ckpt-2")
    sync(root)
    write(root / "ckpt-2" / "a", NEW)
    write(root / "ckpt-2" / "b", NEW)
    write(root / "ckpt-2" / "DONE", b"done", sync=True)


def rename_here_sync_there(root: Path) -> None:
    os.rename(root / "d1" / "f", root / "d1" / "g")
    write(root / "d2" / "h", NEW, sync=True)


def rewrite(root: Path) -> None:
    with open(root / "f", "wb", buffering=0) as file:
        file.write(NEW)


def overwrite(root: Path) -> None:
    with open(root / "f", "r+b", buffering=0) as file:
        file.write(NEW)


def append(root: Path) -> None:
    with open(root / "f", "ab", buffering=0) as file:
        file.write(NEW)


def use_the_name_again(root: Path) -> None:
    os.unlink(root / "f")
    write(root / "f", NEW, sync=True)
    os.rename(root / "f", root / "g")
    sync(root / "g")


def replace_and_move_on(root: Path) -> None:
    write(root / "g", NEW)
    os.rename(root / "g", root / "f")
    sync(root / "f")
    os.rename(root / "f", root / "g")
    sync(root / "g")


def link_the_name_again(root: Path) -> None:
    os.unlink(root / "f")
    write(root / "g", NEW)
    os.link(root / "g", root / "f")
    sync(root / "g")
    os.unlink(root / "f")
    sync(root / "g")


def save_safely(root: Path) -> None:
    """Each file, then the staging directory, then the rename; then the parent, and only then the old one goes."""
    os.mkdir(root / "tmp")
    write(root / "tmp" / "a", NEW, sync=True)
    write(root / "tmp" / "b", NEW, sync=True)
    sync(root / "tmp")
    os.rename(root / "tmp", root / "ckpt-2")
    sync(root)
    os.rename(root / "ckpt-1", root / "removing")
    sync(root)
    shutil.rmtree(root / "removing")


def switch_the_link(root: Path) -> None:
    """A link that leads to the old one, replaced by one that leads to the new one."""
    os.mkdir(root / "new")
    write(root / "new" / "a", NEW, sync=True)
    sync(root / "new")
    os.symlink("new", root / "latest.tmp")
    sync(root)
    os.rename(root / "latest.tmp", root / "latest")
    sync(root)


def mark_safely(root: Path) -> None:
    os.mkdir(root / "ckpt-2")
    sync(root)
    write(root / "ckpt-2" / "a", NEW, sync=True)
    write(root / "ckpt-2" / "b", NEW, sync=True)
    sync(root / "ckpt-2")
    write(root / "ckpt-2" / "DONE", b"done", sync=True)
    sync(root / "ckpt-2")


NO_FILE: Tree = {}
DIRECTORIES: Tree = {"d1": None, "d2": None}
CKPT_1: Tree = {"ckpt-1": None, "ckpt-1/a": OLD, "ckpt-1/b": OLD}


def ckpt_2(a: bytes | None, b: bytes | None, name: str = "ckpt-2") -> Tree:
    files = {f"{name}/a": a, f"{name}/b": b}
    return {name: None, **{path: data for path, data in files.items() if data is not None}}


class Row(msgspec.Struct, frozen=True):
    """A program, and what was on each file system after crashes."""

    name: str
    before: Program
    program: Program
    measured: dict[str, list[Tree]]


def on_each(*trees: Tree) -> dict[str, list[Tree]]:
    return {name: list(trees) for name in ("ext4", "xfs", "btrfs")}


TABLE = [
    Row("create", nothing, create,
        {"ext4": [NO_FILE, {"f": EMPTY}, {"f": NEW}], "xfs": [NO_FILE, {"f": NEW}], "btrfs": [NO_FILE, {"f": EMPTY}]}),
    Row("create and sync", nothing, create_and_sync, on_each({"f": NEW})),
    Row("replace an old file", old_file, replace, on_each({"f": OLD}, {"f": NEW})),
    Row("rename to a new name", nothing, replace,
        {"ext4": [NO_FILE, {"f": EMPTY}, {"f": NEW}], "xfs": [NO_FILE, {"f": NEW}], "btrfs": [NO_FILE, {"f": NEW}]}),
    Row("rename, sync the directory only", nothing, replace_and_sync_directory, on_each({"f": EMPTY})),
    Row("sync the file, replace", old_file, sync_and_replace, on_each({"f": OLD, "tmp": NEW}, {"f": NEW})),
    Row("publish, sync the parent only", nothing, publish_and_sync_parent, on_each(ckpt_2(EMPTY, EMPTY))),
    Row("publish, sync files and parent", nothing, publish_all_synced, on_each(ckpt_2(NEW, NEW))),
    Row("publish, sync files", nothing, publish_synced_files, on_each(ckpt_2(NEW, NEW, "tmp"), ckpt_2(NEW, NEW))),
    Row("publish, delete the old", old_checkpoint, publish_and_delete,
        {"ext4": [CKPT_1, ckpt_2(EMPTY, EMPTY)], "xfs": [CKPT_1, ckpt_2(NEW, NEW)],
         "btrfs": [CKPT_1, ckpt_2(NEW, NEW)]}),
    Row("publish, delete the old, sync the parent", old_checkpoint, publish_delete_and_sync_parent,
        on_each(ckpt_2(EMPTY, EMPTY))),
    Row("a marker before the shards", nothing, mark_done,
        {"ext4": [ckpt_2(EMPTY, EMPTY) | {"ckpt-2/DONE": b"done"}],
         "xfs": [ckpt_2(EMPTY, EMPTY) | {"ckpt-2/DONE": b"done"}],
         "btrfs": [ckpt_2(None, None) | {"ckpt-2/DONE": b"done"}]}),
    Row("rename here, sync there", two_directories, rename_here_sync_there,
        {"ext4": [DIRECTORIES | {"d1/g": OLD, "d2/h": NEW}], "xfs": [DIRECTORIES | {"d1/g": OLD, "d2/h": NEW}],
         "btrfs": [DIRECTORIES | {"d1/f": OLD, "d2/h": NEW}]}),
    Row("truncate and write again", old_file, rewrite, on_each({"f": OLD}, {"f": NEW})),
    Row("overwrite", old_file, overwrite, on_each({"f": OLD}, {"f": NEW})),
    Row("use a removed name again", old_file, use_the_name_again,
        {"ext4": [{"g": NEW}], "xfs": [{"g": NEW}], "btrfs": [{"f": OLD, "g": NEW}]}),
    Row("replace a file, move on", old_file, replace_and_move_on,
        {"ext4": [{"g": NEW}], "xfs": [{"g": NEW}], "btrfs": [{"f": OLD, "g": NEW}]}),
    Row("link a removed name again", old_file, link_the_name_again,
        {"ext4": [{"g": NEW}], "xfs": [{"g": NEW}], "btrfs": [{"f": OLD, "g": NEW}]}),
    Row("append", old_file, append, on_each({"f": OLD}, {"f": OLD + NEW})),
]  # fmt: skip


def newest_is_whole(tree: Tree) -> bool:
    """Whether the newest checkpoint has all that belongs to it, and there is one."""
    for name, data in (("ckpt-2", NEW), ("ckpt-1", OLD)):
        if name in tree:
            return tree.get(f"{name}/a") == tree.get(f"{name}/b") == data
    return False


def marked_is_whole(tree: Tree) -> bool:
    """Whether a marker that is there tells the truth, whatever is in it."""
    return "ckpt-2/DONE" not in tree or newest_is_whole(tree)


def latest_leads_somewhere(tree: Tree) -> bool:
    return "latest" in tree and "old/a" in tree


def file_is_whole(tree: Tree) -> bool:
    return tree.get("f") in (OLD, NEW)


def published_is_whole(tree: Tree) -> bool:
    return "ckpt-2" not in tree or newest_is_whole(tree)


ALL = ("posix-min", "ext4", "xfs", "btrfs", "nfs")
LOCAL = ALL[:-1]
Good = Callable[[Tree], bool]

SAFE: list[tuple[Program, Program, Good]] = [
    (old_checkpoint, save_safely, newest_is_whole),
    (nothing, mark_safely, marked_is_whole),
    (old_link, switch_the_link, latest_leads_somewhere),
    (old_file, sync_replace_and_sync_directory, file_is_whole),
]

WRONG: list[tuple[Program, Program, Good, tuple[str, ...]]] = [
    (nothing, publish_and_sync_parent, published_is_whole, LOCAL),
    (nothing, publish, published_is_whole, LOCAL),
    (old_checkpoint, publish_and_delete, newest_is_whole, LOCAL),
    (old_checkpoint, publish_delete_and_sync_parent, newest_is_whole, LOCAL),
    (nothing, mark_done, marked_is_whole, LOCAL),
    (old_file, replace, file_is_whole, LOCAL),
    (old_file, rewrite, file_is_whole, ALL),
    (old_file, overwrite, file_is_whole, ALL),
]
"""With the profiles on which something is lost. Closing a file is as good as a sync on NFS."""
