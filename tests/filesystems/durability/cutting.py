"""Real file systems on a disk that logs its writes, cut off at one of them: what is left is mounted and read.

Up to a cut, a prefix of the log is on the disk, or one of which some writes since the last flush are lost, as by a disk
with a volatile cache. Many programs run on one mounted file system, each in a directory of its own, after a sync of
everything; the cuts are mounted afterwards, since btrfs takes a copy for the original while that is mounted.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import subprocess
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

import msgspec

from simulator.filesystems import PosixModel
from simulator.filesystems.durability import DurableModel, Persistence
from simulator.operations import CHANGING, Close, Fsync, Operation
from tests.filesystems.durability.block_log import HEADER, Entry, Flushed, Written, entries, logging_disk
from tests.filesystems.durability.mounting import Kind, cloned, images, mounted, tree_on
from tests.filesystems.durability.running import Program, Tree, Undecided, allows, run_on

CLONE = 0x40049409
"""FICLONE, of linux/fs.h."""
START_SYNC, WAIT_SYNC = 0x80089418, 0x40089416
"""BTRFS_IOC_START_SYNC and BTRFS_IOC_WAIT_SYNC, of linux/btrfs.h: a commit that writes no data of its own accord."""
MOST_STATES = 20_000
"""How many states of one instant a tree is compared with."""
_LIBC = ctypes.CDLL(None, use_errno=True)


class Action(msgspec.Struct, frozen=True):
    """One thing that a program does. ``of_the_kernel``: what any kernel may do at any time, so the model need not."""

    name: str
    run: Program
    of_the_kernel: bool = False


class Case(msgspec.Struct, frozen=True):
    """A program, and what it finds on the disk."""

    name: str
    before: Program
    actions: Sequence[Action]


class Cut(msgspec.Struct, frozen=True):
    """What was left when the power failed while an action was under way, or after the last one."""

    action: int
    tree: Tree
    position: int
    lossy: bool


class _Run(msgspec.Struct):
    start: int
    ends: list[int]
    end: int


def perform(action: Action, root: Path) -> None:
    """Actions that cannot be carried out have no effect."""
    with suppress(OSError):
        action.run(root)


def write_back(path: Path, start: int, length: int) -> None:
    """Begin and await the write-back of some bytes of a file, as the flusher of the kernel may at any time."""
    fd = os.open(path, os.O_RDONLY)
    try:
        _LIBC.sync_file_range(fd, ctypes.c_long(start), ctypes.c_long(length), 7)
    finally:
        os.close(fd)


def commit(root: Path) -> None:
    """A commit of btrfs as its timer makes one; elsewhere an error."""
    fd = os.open(root, os.O_RDONLY)
    try:
        number = fcntl.ioctl(fd, START_SYNC, bytes(8))
        fcntl.ioctl(fd, WAIT_SYNC, number)
    finally:
        os.close(fd)


def cuts(kind: Kind, cases: Sequence[Case], most: int, random: Random) -> Iterator[tuple[Case, list[Cut]]]:
    """What is left of each program at so many cuts, in the order of the log."""
    with images(kind, 1) as (image,):
        log, shadow = image.with_name("log"), image.with_name("shadow")
        cloned(image, shadow)
        with logging_disk(image, log) as disk, mounted(disk) as point:
            runs = [_run(point, number, case, log) for number, case in enumerate(cases)]
        written = entries(log)
        on_shadow, flushed = 0, 0
        with open(shadow, "r+b", buffering=0) as file:
            for number, (case, run) in enumerate(zip(cases, runs, strict=True)):
                found = []
                for position in _positions(written, run, most, random):
                    while flushed < position:
                        flushed += 1
                        if isinstance(written[flushed - 1], Flushed):
                            _write(file.fileno(), written[on_shadow:flushed])
                            on_shadow = flushed
                    unflushed = written[on_shadow:position]
                    lossy = bool(unflushed) and random.random() < 0.5
                    if lossy:
                        share = random.choice((0.2, 0.5, 0.8))
                        unflushed = [entry for entry in unflushed if random.random() < share]
                    tree = _left(kind, file.fileno(), shadow.with_name("cut"), unflushed, f"p{number}")
                    found.append(Cut(bisect_left(run.ends, position), tree, position - run.start, lossy))
                yield case, found


def _run(point: Path, number: int, case: Case, log: Path) -> _Run:
    root = point / f"p{number}"
    root.mkdir()
    case.before(root)
    _sync(point)
    start, ends = _length(log), []
    for action in case.actions:
        perform(action, root)
        ends.append(_length(log))
    _sync(point)
    return _Run(start, ends, _length(log))


def _sync(point: Path) -> None:
    fd = os.open(point, os.O_RDONLY)
    try:
        if _LIBC.syncfs(fd) != 0:
            raise OSError(ctypes.get_errno(), "syncfs")
    finally:
        os.close(fd)


_known: dict[Path, tuple[int, int]] = {}


def _length(log: Path) -> int:
    """How many entries the log has."""
    position, count = _known.get(log, (0, 0))
    size = log.stat().st_size
    with open(log, "rb", buffering=0) as file:
        while position < size:
            _, length = HEADER.unpack(os.pread(file.fileno(), HEADER.size, position))
            position += HEADER.size + length
            count += 1
    _known[log] = position, count
    return count


def _positions(written: Sequence[Entry], run: _Run, most: int, random: Random) -> list[int]:
    """Where to cut: the ends of actions first, then anywhere."""
    ends = [end for end in (*run.ends, run.end) if end > run.start]
    every = range(run.start, run.end + 1)
    chosen = set(random.sample(ends, min(len(ends), most // 2)))
    rest = [position for position in every if position not in chosen]
    return sorted(chosen | set(random.sample(rest, min(len(rest), most - len(chosen)))))


def _write(fd: int, what: Sequence[Entry]) -> None:
    for entry in what:
        if isinstance(entry, Written):
            os.pwrite(fd, entry.data, entry.offset)


def _left(kind: Kind, shadow: int, cut: Path, unflushed: Sequence[Entry], name: str) -> Tree:
    with open(cut, "w+b", buffering=0) as file:
        fcntl.ioctl(file.fileno(), CLONE, shadow)
        _write(file.fileno(), unflushed)
    if kind.name == "btrfs":
        subprocess.run(["btrfs", "device", "scan", "--forget"], check=True, capture_output=True)
    with mounted(cut, kind.options) as left:
        return tree_on(left / name)


class _Instants:
    """The crash model, asked after each operation of an action whether it allows what a cut has left."""

    def __init__(self, model: DurableModel, found: Sequence[Cut]) -> None:
        self.model = model
        self.action = 0
        self.open = list(found)
        self.undecided: list[Cut] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self.model, name)

    def perform(self, rank: int, operation: Operation, now: int = 0) -> object:
        value = self.model.perform(rank, operation, now)
        if type(operation) in CHANGING or isinstance(operation, Close | Fsync):
            self.look()
        return value

    def look(self) -> None:
        self.open = [cut for cut in self.open if cut.action != self.action or not self._allows(cut)]

    def _allows(self, cut: Cut) -> bool:
        try:
            return allows(self.model, cut.tree, MOST_STATES)
        except Undecided:
            self.undecided.append(cut)
            return False


def not_allowed(profile: Persistence, case: Case, found: Sequence[Cut]) -> tuple[list[Cut], list[Cut]]:
    """Those cuts of a program whose trees the profile does not allow at any instant of the action.

    Then those of which that is not known, since there are too many states.
    """
    start = PosixModel()
    run_on(start, case.before)
    watched = _Instants(DurableModel(profile, model=start), found)

    def program(root: Path) -> None:
        for number, action in enumerate(case.actions):
            watched.action = number
            watched.look()
            if not action.of_the_kernel:
                perform(action, root)
        watched.action = len(case.actions)
        watched.look()

    run_on(watched, program)
    undecided = [cut for cut in watched.open if cut in watched.undecided]
    return [cut for cut in watched.open if cut not in undecided], undecided
