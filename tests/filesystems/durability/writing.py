"""Random programs that write, rename, delete and sync a few files in a few directories (as ACE does; OSDI 2018)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from random import Random

from tests.filesystems.durability.recipes import sync
from tests.filesystems.durability.running import Program

DIRECTORIES = ("", "a", "b")
FILES = ("x", "y", "a/x", "a/y", "b/x")
SIZES = (0, 10, 4096, 6000)


def two_directories(root: Path) -> None:
    """What is there in the beginning."""
    os.mkdir(root / "a")
    os.mkdir(root / "b")
    for name in ("x", "a/x"):
        (root / name).write_bytes(b"o" * 6000)


def drawn(random: Random, length: int) -> Program:
    """A program of so many actions, those that fail left out."""
    actions = [action(random, bytes([ord("A") + number])) for number in range(length)]

    def program(root: Path) -> None:
        for each in actions:
            with suppress(OSError):
                each(root)

    return program


def action(random: Random, letter: bytes) -> Program:
    """One action; what it writes are so many of one letter."""
    file, other, directory = random.choice(FILES), random.choice(FILES), random.choice(DIRECTORIES)
    fresh = random.choice(("c", "a/c", "b/c"))
    size, synced, moved = random.choice(SIZES), random.random() < 0.3, random.choice(("c", "d", "b/c"))
    kind = random.choice(
        ("write", "write", "append", "overwrite", "truncate", "rename", "rename", "unlink", "link", "mkdir", "move",
         "rmdir", "sync file", "sync file", "sync directory", "sync directory")
    )  # fmt: skip
    match kind:
        case "write":
            return lambda root: written(root / file, os.O_CREAT | os.O_TRUNC, letter * size, synced)
        case "append":
            return lambda root: written(root / file, os.O_CREAT | os.O_APPEND, letter * size, synced)
        case "overwrite":
            return lambda root: written(root / file, 0, letter * size, synced)
        case "truncate":
            return lambda root: os.truncate(root / file, size)
        case "rename":
            return lambda root: os.rename(root / file, root / other)
        case "unlink":
            return lambda root: os.unlink(root / file)
        case "link":
            return lambda root: os.link(root / file, root / other)
        case "mkdir":
            return lambda root: os.mkdir(root / fresh)
        case "move":
            return lambda root: os.rename(root / fresh, root / moved)
        case "rmdir":
            return lambda root: os.rmdir(root / fresh)
        case "sync file":
            return lambda root: sync(root / file)
        case _:
            return lambda root: sync(root / directory)


def written(path: Path, flags: int, data: bytes, synced: bool) -> None:
    fd = os.open(path, os.O_WRONLY | flags)
    try:
        if data:
            os.write(fd, data)
        if synced:
            os.fsync(fd)
    finally:
        os.close(fd)
