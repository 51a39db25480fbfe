"""Random programs that write, rename, delete and sync a few files in a few directories (as ACE does; OSDI 2018)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from random import Random

from simulator.filesystems.durability import Persistence
from tests.filesystems.durability.cutting import Action, commit, write_back
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


NAMES = ("k", "m", "d/k", "d/m")
OFFSETS = (0, 100, 1024, 4000, 4096, 5000, 8192)
LENGTHS = (10, 3000, 4096, 6000, 10_000)


def reused_names(root: Path) -> None:
    """What programs that reuse names find."""
    for name in ("d", "s"):
        os.mkdir(root / name)
    for name in ("k", "d/k"):
        (root / name).write_bytes(b"o" * 6000)
    (root / "holes").write_bytes(b"h" * 100)
    os.truncate(root / "holes", 20_000)
    (root / "z").write_bytes(b"z")


def reusing(random: Random, length: int, profile: Persistence) -> list[Action]:
    """Actions about few names, which are removed, made again, moved and synced, and about files with holes.

    No write is of more blocks than the profile takes apart: of a larger one it promises less than a disk may leave.
    """
    drawing = _Reusing(random, profile)
    found = [drawing.action(bytes([ord("A") + number % 26])) for number in range(length)]
    if random.random() < 0.5:
        found.append(Action("write z, sync", lambda root: written(root / "z", os.O_TRUNC, b"Z", True)))
    if random.random() < 0.3:
        found.append(Action("a commit", commit, of_the_kernel=True))
    return found


class _Reusing:
    """Draws actions that can be carried out: it keeps account of which names there are."""

    def __init__(self, random: Random, profile: Persistence) -> None:
        self.random = random
        self.profile = profile
        self.files = {"k", "d/k", "holes"}
        self.directories = {"s"}

    def at_most(self, length: int, offset: int) -> int:
        """So many bytes, or fewer where they would be in too many blocks."""
        block = self.profile.block_bytes
        return min(length, self.profile.blocks_apart * block - offset % block)

    def action(self, letter: bytes) -> Action:
        """The next one; what it writes are bytes of one letter."""
        random, said = self.random, letter.decode()
        synced = random.random() < 0.5
        also = ", sync" if synced else ""
        file = random.choice(sorted(self.files) or ["k"])
        name = random.choice(NAMES)
        length, offset = self.at_most(random.choice(LENGTHS), 0), random.choice(OFFSETS)
        match random.choices(range(13), (5, 6, 4, 2, 4, 2, 3, 1, 1, 2, 1, 2, 2))[0]:
            case 0:
                self.files.add(name)
                return Action(
                    f"write {name}, {length} of {said}{also}",
                    lambda root: written(root / name, os.O_CREAT | os.O_TRUNC, letter * length, synced),
                )
            case 1:
                self.files -= {file}
                self.files.add(name)
                return Action(f"rename {file} {name}", lambda root: os.rename(root / file, root / name))
            case 2:
                self.files -= {file}
                return Action(f"unlink {file}", lambda root: os.unlink(root / file))
            case 3:
                self.files.add(name)
                return Action(f"link {file} {name}", lambda root: os.link(root / file, root / name))
            case 4:
                return Action(f"sync {file}", lambda root: sync(root / file))
            case 5:
                directory = random.choice(("", "d", *sorted(self.directories)))
                return Action(f"sync {directory}/", lambda root: sync(root / directory))
            case 6:
                part = self.at_most(length, offset)
                return Action(
                    f"write {file} from {offset}, {part} of {said}{also}",
                    lambda root: written_at(root / file, offset, letter * part, synced),
                )
            case 7:
                return Action(f"truncate {file} to {offset}", lambda root: os.truncate(root / file, offset))
            case 8:
                directory = random.choice(("s", "t", "d/s", *sorted({"k", "m"} - self.files)))
                self.directories.add(directory)
                return Action(f"mkdir {directory}", lambda root: os.mkdir(root / directory))
            case 9:
                directory = random.choice(sorted(self.directories) or ["s"])
                target = random.choice(("s", "t", "d/s", "k", "m"))
                self.directories = self.directories - {directory} | {target}
                return Action(f"rename {directory} {target}", lambda root: os.rename(root / directory, root / target))
            case 10:
                directory = random.choice(sorted(self.directories) or ["s"])
                self.directories -= {directory}
                return Action(f"rmdir {directory}", lambda root: os.rmdir(root / directory))
            case 11:
                start = offset // 4096 * 4096
                return Action(
                    f"write back {file} from {start}, {length}",
                    lambda root: write_back(root / file, start, length),
                    of_the_kernel=True,
                )
            case _:
                return Action("a commit", commit, of_the_kernel=True)


def written_at(path: Path, offset: int, data: bytes, synced: bool) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(fd, data, offset)
        if synced:
            os.fsync(fd)
    finally:
        os.close(fd)
