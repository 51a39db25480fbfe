"""Small random programs on files, over all kinds of operations, as data: what each rank does, one after the other."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from simulator.filesystems import PosixModel
from simulator.operations import Close, Collective, Message, Mkdir, Open, Ticket, Write
from simulator.rank import Rank

Action = tuple[str, ...]
Actions = list[Action]

GROUPS = (("a", "a/f"), ("a", "b"), ("a", "b", "a/f"), ("a/f", "h"), ("b/f", "a/g"), ("b", "b/f", "h"), ("a/f", "a/g"))
"""Paths that belong together: a program uses those of one group, so that its ranks get in each other's way."""


def filled() -> PosixModel:
    """The tree on which every program starts: directory a with file f, empty directory b, file h."""
    model = PosixModel()
    model.perform(-1, Mkdir("a"), 1)
    model.perform(-1, Mkdir("b"), 2)
    for now, name in enumerate(("a/f", "h"), 3):
        number = model.perform(-1, Open(name, os.O_CREAT | os.O_WRONLY), now)
        model.perform(-1, Write(number, name.encode()), now)
        model.perform(-1, Close(number), now)
    return model


def program_of(actions: Actions) -> Callable[[Rank], list[Any]]:
    """A rank's program; it returns what each action gave, errors by their errno."""

    def program(rank: Rank) -> list[Any]:
        given: list[Any] = []
        open_files: list[int] = []
        for kind, *names in actions:
            try:
                paths = [str(rank.root / name) for name in names]
                given.append(_do(rank, kind, paths, open_files))
            except OSError as error:
                given.append(error.errno)
        return given

    return program


def _do(rank: Rank, kind: str, paths: list[str], open_files: list[int]) -> Any:
    match kind:
        case "mkdir":
            return os.mkdir(paths[0])
        case "create":
            open_files.append(os.open(paths[0], os.O_CREAT | os.O_WRONLY))
            return None
        case "write":
            return os.write(open_files[-1], f"{rank.index}".encode()) if open_files else None
        case "append":
            with open(paths[0], "ab", buffering=0) as file:
                return file.write(b"+")
        case "read":
            with open(paths[0], "rb", buffering=0) as file:
                return file.read()
        case "truncate":
            return os.truncate(paths[0], rank.index)
        case "rename":
            return os.rename(*paths)
        case "unlink":
            return os.unlink(paths[0])
        case "rmdir":
            return os.rmdir(paths[0])
        case "rmtree":
            return shutil.rmtree(paths[0])
        case "listdir":
            return sorted(os.listdir(paths[0]))
        case "exists":
            return os.path.exists(paths[0])
        case "size":
            found = os.stat(paths[0])
            return found.st_size if stat.S_ISREG(found.st_mode) else -1
        case "newer":
            return os.stat(paths[0]).st_mtime_ns > os.stat(paths[1]).st_mtime_ns
        case "late":
            found, other = os.stat(paths[0]), os.stat(paths[1])
            rank.barrier()
            return found.st_mtime_ns > other.st_mtime_ns
        case "changed":
            return os.stat(paths[0]).st_ctime_ns > os.stat(paths[1]).st_ctime_ns
        case "links":
            return os.stat(paths[0]).st_nlink
        case "link":
            return os.link(*paths)
        case "symlink":
            return os.symlink(os.path.basename(paths[0]), paths[1])
        case "readlink":
            return os.readlink(paths[0])
        case "chmod":
            return os.chmod(paths[0], 0o500 + rank.index)
        case "utime":
            return os.utime(paths[0])
        case "lock":
            number = os.open(paths[0], os.O_RDONLY)
            fcntl.flock(number, fcntl.LOCK_EX)
            return os.close(number)
        case "try":
            open_files.append(os.open(paths[0], os.O_RDONLY))
            return fcntl.flock(open_files[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        case "barrier":
            return rank.barrier()
        case "all_gather":
            return rank.all_gather(len(open_files))
        case "gather":
            return rank.gather(len(open_files), destination=1)
        case "broadcast":
            return rank.broadcast(rank.index, source=0)
        case "begin":
            return begin(rank)
        case "end":
            return end(rank, 0)
        case "begun":
            ticket = begin(rank)
            there = os.path.exists(paths[0])
            return there, end(rank, ticket)
    raise AssertionError(kind)


def begin(rank: Rank) -> int:
    """Come to a collective of all ranks, as code does that waits for it later."""
    part = Message(rank.index, waits=False)
    ticket: Ticket = rank.process.perform(Collective("all_reduce", tuple(range(rank.world_size)), -1, part))
    return ticket.position


def end(rank: Rank, position: int) -> list[int]:
    """Wait for what was begun."""
    everybody = Collective("all_reduce", tuple(range(rank.world_size)), -1, Ticket(position))
    return [part.content for part in rank.process.perform(everybody)]


LOOKS = ("listdir", "exists", "size", "links", "readlink", "read", "lock", "try")
CHANGES = ("mkdir", "create", "create", "truncate", "unlink", "rmdir", "rmtree", "chmod", "utime", "append")
PAIRS = ("rename", "rename", "rename", "link", "symlink", "newer", "newer", "changed")
MEETINGS = ("barrier", "all_gather", "gather", "gather", "broadcast", "late", "begun")


def random_program(random: Random) -> list[Actions]:
    """Two or three ranks with a few actions each on a few paths; all ranks meet at the same places."""
    ranks = random.choice((2, 2, 3))
    names = random.choice(GROUPS)
    program: list[Actions] = [[] for _ in range(ranks)]
    for part in range(random.choice((1, 1, 2))):
        if part or random.random() < 0.1:
            meeting = random.choice(MEETINGS)
            for actions in program:
                looks = meeting in ("late", "begun")
                actions.append((meeting, *random.sample(names, 2)) if looks else (meeting,))
        for actions in program:
            for _ in range(random.randint(1, 6 - ranks - part)):
                actions.append(random_action(random, names))
    return program


def random_action(random: Random, names: Sequence[str]) -> Action:
    """One action, more often a change than a look."""
    kind = random.choice(random.choice((LOOKS, CHANGES, CHANGES, PAIRS, PAIRS, ("write",))))
    if kind == "write":
        return (kind,)
    if kind in PAIRS:
        return (kind, *random.sample(names, 2))
    return (kind, random.choice(names))
