"""Real file systems in image files, and what is left of one that is copied while it is mounted: a crash."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from tests.filesystems.durability.running import Program, Tree


class Kind(msgspec.Struct, frozen=True):
    """A file system: how an image is formatted, its size in MiB, its size of a block, and how a copy is mounted."""

    name: str
    maker: tuple[str, ...]
    size: int
    block: int = 4096
    options: str = "loop"


KINDS = {
    "ext4": Kind("ext4", ("mkfs.ext4", "-q", "-F", "-b", "4096"), 32),
    "ext4-1k": Kind("ext4", ("mkfs.ext4", "-q", "-F", "-b", "1024"), 32, 1024),
    "xfs": Kind("xfs", ("mkfs.xfs", "-q", "-f"), 320, options="loop,nouuid"),
    "btrfs": Kind("btrfs", ("mkfs.btrfs", "-q", "-f"), 128),
}
HOST = Kind("xfs", ("mkfs.xfs", "-q", "-f", "-m", "reflink=1"), 2048)
"""Where the images lie: copying a file block by block would show some blocks as they were before others."""


def reason_not_to(kind: Kind) -> str | None:
    """Why no such file system can be mounted here, if that is so."""
    if os.geteuid() != 0:
        return "only root can mount a file system"
    for maker in (kind.maker[0], HOST.maker[0]):
        if shutil.which(maker) is None:
            return f"{maker} is not installed"
    known = Path("/proc/filesystems").read_text().split()
    if kind.name not in known:
        return f"this kernel has no {kind.name}"
    return _mountable(kind)


@functools.cache
def _mountable(kind: Kind) -> str | None:
    try:
        with images(kind, 1) as (image,), mounted(image):
            return None
    except (OSError, subprocess.CalledProcessError) as error:
        return f"{kind.name} cannot be mounted here: {error}"


@contextmanager
def images(kind: Kind, count: int) -> Iterator[list[Path]]:
    """Images with empty file systems, on a file system that can clone a file in one instant."""
    base = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="ckptrace-crash-", dir=base) as directory:
        host = formatted(Path(directory) / "host", HOST)
        with mounted(host) as place:
            yield [formatted(place / f"{kind.name}-{number}", kind) for number in range(count)]


def formatted(image: Path, kind: Kind) -> Path:
    """A new image."""
    with open(image, "wb") as file:
        file.truncate(kind.size << 20)
    _run([*kind.maker, str(image)])
    return image


@contextmanager
def mounted(image: Path, options: str = "loop") -> Iterator[Path]:
    """The root of a mounted image."""
    point = image.with_name(image.name + "-mounted")
    point.mkdir()
    try:
        _run(["mount", "-o", options, str(image), str(point)])
        try:
            yield point
        finally:
            _run(["umount", str(point)])
    finally:
        point.rmdir()


def crashes(kind: Kind, programs: Sequence[tuple[Program, Program]], moments: Sequence[float]) -> list[list[Tree]]:
    """What is on the disk when the machine stops so many seconds after a program has ended, of each program.

    Each has a disk of its own, and what the first program of its pair has left is on it when the second begins. An
    image that is cloned while it is mounted is a disk at one instant: block writes are not reordered in it, and no
    cache of the disk's own gets lost.
    """
    with images(kind, len(programs)) as originals:
        copies = [[image.with_name(f"{image.name}-{n}") for n in range(len(moments))] for image in originals]
        with ExitStack() as stack:
            roots = [stack.enter_context(mounted(image)) / "root" for image in originals]
            for root, (before, _) in zip(roots, programs, strict=True):
                root.mkdir()
                before(root)
            os.sync()  # Of everything: no program may have begun.
            ended = []
            for number, (root, (_, program)) in enumerate(zip(roots, programs, strict=True)):
                program(root)
                ended.append(time.monotonic())
                if moments[0] == 0:
                    cloned(originals[number], copies[number][0])
            for nth, moment in enumerate(moments):
                for number, image in enumerate(originals):
                    if moment:
                        wait_until(ended[number] + moment)
                        cloned(image, copies[number][nth])
        # Only now: btrfs takes a copy for the original while that is mounted.
        return [[_left_on(kind, copy) for copy in each] for each in copies]


def cloned(image: Path, copy: Path) -> None:
    """Copy a file in one instant."""
    _run(["cp", "--reflink=always", str(image), str(copy)])


def _left_on(kind: Kind, copy: Path) -> Tree:
    if kind.name == "btrfs":
        _run(["btrfs", "device", "scan", "--forget"])
    with mounted(copy, kind.options) as left:
        return tree_on(left / "root")


def wait_until(moment: float) -> None:
    """Wait for the timers of the kernel, which is what is measured here."""
    time.sleep(max(0.0, moment - time.monotonic()))


def tree_on(root: Path) -> Tree:
    """All that is below a real directory."""
    found: Tree = {}
    for directory, names, files in os.walk(root):
        for name in names:
            found[(Path(directory) / name).relative_to(root).as_posix()] = None
        for name in files:
            path = Path(directory) / name
            found[path.relative_to(root).as_posix()] = path.read_bytes()
    return found


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)
