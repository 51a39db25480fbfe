"""Random operations that meet each other: few names, shallow trees, odd paths, descriptors of all kinds.

A program is a coroutine: it yields (rank, operation) and is sent what the operation gave, so that it knows which
descriptors are open. Everything is drawn from one ``random.Random``, so that a seed or Hypothesis decides it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from random import Random
from typing import Any

from simulator.filesystems import FIRST_DESCRIPTOR, LINK_TO_ROOT
from simulator.operations import (
    AccessCheck,
    Chmod,
    Chown,
    Close,
    Dup,
    Extent,
    Fsync,
    Link,
    Lock,
    Mkdir,
    Mkfifo,
    Open,
    Operation,
    Read,
    Readdir,
    Readlink,
    Rename,
    Rmdir,
    Seek,
    Stat,
    Statvfs,
    Symlink,
    Truncate,
    Unlink,
    Utime,
    Write,
)
from tests.filesystems.outcomes import Failed

RANKS = 3
NAMES = ("a", "b", "c", "d")
ODD_NAMES = ("é" * 3, "\udcff\udc80", "n" * 255, "n" * 256, "ü" * 128, " ", "-", "a\n")
OPEN_FLAGS = (
    os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_CREAT | os.O_EXCL, os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    os.O_RDWR | os.O_APPEND, os.O_WRONLY | os.O_TRUNC, os.O_RDONLY | os.O_TRUNC, os.O_RDONLY | os.O_DIRECTORY,
    os.O_RDONLY | os.O_NOFOLLOW, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW,
    os.O_RDWR | os.O_DIRECTORY, os.O_RDWR | os.O_CREAT | os.O_DIRECTORY, os.O_PATH, os.O_PATH | os.O_NOFOLLOW,
    os.O_PATH | os.O_DIRECTORY, os.O_RDWR | os.O_TMPFILE, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_TRUNC,
)  # fmt: skip
Program = Generator[tuple[int, Operation], Any, None]


class Writer:
    """Draws operations.

    ``privileged``: the program runs as root and may take its own permissions away. ``crowded``: fewer names and fewer
    odd ones, more by descriptors, so that two operations are often about the same thing.
    """

    def __init__(self, random: Random, privileged: bool = True, crowded: bool = False) -> None:
        self.random = random
        self.privileged = privileged
        self.names = NAMES[:2] if crowded else NAMES
        self.odd = 0.2 if crowded else 1.0
        self.by_descriptor = 0.3 if crowded else 0.15
        self.opened: dict[int, list[int]] = {rank: [] for rank in range(RANKS)}
        self.known: list[str] = []

    def program(self, length: int) -> Program:
        """At least ``length`` operations of all ranks."""
        for _ in range(length):
            rank = self.random.randrange(RANKS)
            if self.random.random() < 0.01:
                yield from self.remove_tree(rank)
            else:
                yield from self.step(rank)

    def step(self, rank: int) -> Program:
        """One operation of a rank."""
        operation = self.operation(rank)
        self.note(rank, operation, (yield rank, operation))

    def note(self, rank: int, operation: Operation, result: Any) -> None:
        """Learn which descriptors are open and which paths lead somewhere."""
        match operation:
            case Open() | Dup() if isinstance(result, int):
                self.opened[rank].append(result)
            case Close() if operation.fd in self.opened[rank]:
                self.opened[rank].remove(operation.fd)
        match operation:
            case Mkdir(at=None) | Mkfifo(at=None) | Symlink(at=None) | Open(at=None) if not isinstance(result, Failed):
                self.learn(operation.path)
            case Rename(target_at=None) | Link(target_at=None) if not isinstance(result, Failed):
                self.learn(operation.target)
            case Unlink(at=None) | Rmdir(at=None) if operation.path in self.known:
                self.known.remove(operation.path)

    def learn(self, path: str) -> None:
        """Remember some paths, the latest ones."""
        self.known = [*self.known[-8:], path]

    def remove_tree(self, rank: int) -> Program:
        """What rmtree does by descriptors, with names that may be gone or be of the other kind."""
        path = self.path()
        opened = Open(path, os.O_RDONLY | os.O_DIRECTORY)
        descriptor = yield rank, opened
        self.note(rank, opened, descriptor)
        if not isinstance(descriptor, int):
            return
        yield rank, Readdir(descriptor)
        for name in self.names:
            yield rank, Unlink(name, descriptor)
            yield rank, Rmdir(name, descriptor)
        yield rank, Readdir(descriptor)
        yield rank, Rmdir(path)
        yield rank, Mkdir("a", at=descriptor)
        yield rank, Stat("..", at=descriptor)
        closing = Close(descriptor)
        self.note(rank, closing, (yield rank, closing))

    def operation(self, rank: int) -> Operation:
        """Any operation of a file system."""
        pick = self.random.choice
        match self.random.choices(range(len(WEIGHTS)), WEIGHTS)[0]:
            case 0:
                return Mkdir(self.path(), self.mode(), self.at(rank))
            case 1:
                return Rmdir(self.path(), self.at(rank))
            case 2:
                return Unlink(self.path(), self.at(rank))
            case 3:
                return Rename(self.path(), self.path(), self.at(rank), self.at(rank))
            case 4:
                return Link(self.path(), self.path(), self.at(rank), self.at(rank), pick((True, False)))
            case 5:
                return Symlink(self.link_text(), self.path(), self.at(rank))
            case 6:
                return Readlink(self.path(), self.at(rank))
            case 7:
                return Readdir(self.target(rank))
            case 8:
                return self.on_target(rank)
            case 9:
                return Open(self.path(), pick(OPEN_FLAGS), self.mode(), self.at(rank))
            case 10:
                return Close(self.descriptor(rank))
            case 11:
                return Read(self.descriptor(rank), pick((0, 1, 5, 100, 70_000)), self.offset())
            case 12:
                return Write(self.descriptor(rank), self.data(), self.offset())
            case 13:
                return Seek(self.descriptor(rank), pick((0, 0, 1, -1, 7, 70_000)), pick((0, 1, 2, 0, 1, 2, 9)))
            case 14:
                return Dup(self.descriptor(rank))
            case 15:
                return Truncate(self.target(rank), pick((0, 0, 1, 3, 10, 65_536, 65_537, 200_000, -1)))
            case 16:
                return Lock(self.descriptor(rank), pick(LOCKS))
            case 17:
                return AccessCheck(self.path(), pick((os.F_OK, os.R_OK, os.W_OK, os.X_OK)), self.at(rank),
                                   pick((True, False)))  # fmt: skip
            case 18:
                return Statvfs(self.target(rank))
            case 19:
                return Mkfifo(self.path(), self.mode(), self.at(rank))
            case _:
                return Fsync(self.descriptor(rank), pick((True, False)))

    def on_target(self, rank: int) -> Operation:
        """An operation that takes a path or a descriptor, and may stop at a symbolic link."""
        target = self.target(rank)
        follow, at = True, None
        if isinstance(target, str):
            follow, at = self.random.choice((True, False)), self.at(rank)
        match self.random.randrange(6):
            case 0:
                return Chmod(target, self.mode(), follow, at)
            case 1:
                own = (-1, 0, 7) if self.privileged else (-1,)
                return Chown(target, self.random.choice(own), self.random.choice(own), follow, at)
            case 2:
                times = self.random.choice((None, (1_000_000_007, 2_000_000_009)))
                return Utime(target, times, follow, at)
            case _:
                return Stat(target, follow, at)

    def path(self) -> str:
        """Mostly paths that lead somewhere or are one name longer; sometimes any shallow one, sometimes odd ones."""
        if self.known and self.random.random() < 0.7:
            path = self.random.choice(self.known)
            if self.random.random() < 0.6 or len(path) > 1000:
                return path
            return f"{path}/{self.name()}".lstrip("/")
        parts = [self.name() for _ in range(self.random.choice((1, 1, 1, 2, 2, 2, 3, 3, 4)))]
        if self.random.random() < 0.15 * self.odd:
            parts.insert(self.random.randrange(len(parts) + 1), self.random.choice((".", "..", "..", "")))
        path = "/".join(parts).lstrip("/")
        if self.random.random() < 0.15 * self.odd:
            path += self.random.choice(("/", "//", "/.", "/..", "/./"))
        if self.random.random() < 0.03 * self.odd:
            path = self.random.choice(("", ".", "..", "../a", "a/" * 2200, "a/" + "./" * 500 + "b"))
        return path

    def name(self) -> str:
        """Mostly one of few."""
        return self.random.choice(ODD_NAMES if self.random.random() < 0.03 * self.odd else self.names)

    def link_text(self) -> str:
        """What a symbolic link may say. It does not climb out of the root, which only the model prevents."""
        text = "/".join(self.random.choice(self.names) for _ in range(self.random.choice((1, 1, 2))))
        return self.random.choice((
            text, text, text, text + "/", "./" + text, "a/./" + text, LINK_TO_ROOT, LINK_TO_ROOT + "/" + text,
            LINK_TO_ROOT + "/" + text, "/nowhere/to/be/found", "t" * 300, "",
        ))  # fmt: skip

    def at(self, rank: int) -> int | None:
        """Sometimes a descriptor."""
        return self.descriptor(rank) if self.random.random() < self.by_descriptor else None

    def target(self, rank: int) -> str | int:
        """A path or a descriptor."""
        return self.descriptor(rank) if self.random.random() < 2 * self.by_descriptor else self.path()

    def descriptor(self, rank: int) -> int:
        """Mostly one that is open."""
        opened = self.opened[rank]
        if opened and self.random.random() < 0.95:
            return self.random.choice(opened)
        return FIRST_DESCRIPTOR + self.random.randrange(4)

    def offset(self) -> int | None:
        """Mostly none, so that the description's own position counts."""
        return self.random.choice((None, None, None, 0, 1, 10, 65_530, 100_000, -1))

    def data(self) -> bytes | Extent:
        """Bytes of all kinds, and sizes without bytes."""
        byte = self.random.choice((b"x", b"y", b"\0"))
        size = self.random.choice((0, 1, 5, 5, 10, 4096, 65_536, 140_000))
        return Extent(size) if self.random.random() < 0.2 else byte * size

    def mode(self) -> int:
        """Permissions that leave the owner able to go on, unless the owner is root."""
        mode = self.random.choice((0o777, 0o755, 0o644, 0o600, 0o2775, 0o4711, 0o1755, 0, 0o6010))
        return mode if self.privileged else mode & 0o777 | 0o700


WEIGHTS = (
    12, 5, 6, 14, 6, 4, 2, 5, 16, 24, 5, 8, 10, 4, 2, 6, 5, 3, 1, 1, 0.2,
)  # fmt: skip
LOCKS = (
    fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_SH | fcntl.LOCK_NB, fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_UN,
    fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_UN, 0, fcntl.LOCK_EX | fcntl.LOCK_SH,
)  # fmt: skip
