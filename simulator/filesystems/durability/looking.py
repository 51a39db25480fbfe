"""What power losses leave, as real directories that one can look at: ``ckptrace replay TRACE --states DIR``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from simulator.filesystems.confinement import link_text
from simulator.filesystems.durability.model import DurableModel
from simulator.filesystems.durability.states import downward_closed
from simulator.filesystems.durability.wording import losses_in_words
from simulator.filesystems.posix.content import CHUNK, Content, Sparse
from simulator.filesystems.posix.inode import NO_ENTRIES, PERMISSIONS, PIPE, Inode
from simulator.filesystems.posix.model import PosixModel
from simulator.originals import OS, open_file


class State(msgspec.Struct, frozen=True):
    """A tree that a machine may find when the power is back, and what is lost in it, in words."""

    disk: PosixModel
    lost: str


def states_of(durable: DurableModel) -> Iterator[State]:
    """Every tree that a power loss can leave at this instant, once: first the one in which nothing is lost."""
    ordering = durable.ordering()
    seen: set[int] = set()
    for kept in downward_closed(ordering):
        disk = durable.state(kept)
        digest = disk.digest()
        if digest not in seen:
            seen.add(digest)
            yield State(disk, losses_in_words(durable, ordering.all & ~kept))


def write_tree(disk: PosixModel, directory: Path) -> None:
    """Make a real directory, which must be new, with all that is in a file system: names, content, links, modes.

    Files are sparse where the model holds no bytes; owners and times are not kept. Raises OSError.
    """
    OS["mkdir"](directory)
    made: dict[Inode, Path] = {}
    waiting = [(disk.tree.root, directory)]
    modes: list[tuple[Path, int]] = []
    while waiting:
        inode, place = waiting.pop()
        for name, child in inode.entries.items():
            path = place / name
            if child in made:
                OS["link"](made[child], path)
                continue
            made[child] = path
            if child.entries is not NO_ENTRIES:
                OS["mkdir"](path)
                waiting.append((child, path))
            elif child.text is not None:
                OS["symlink"](link_text(str(directory), child.text), path)
                continue
            elif child.mode & PIPE:
                OS["mkfifo"](path)
            else:
                _write(path, child.content)
            modes.append((path, child.mode & PERMISSIONS))
    for path, mode in reversed(modes):  # What is in a directory comes first: it may not be entered afterwards.
        OS["chmod"](path, mode)


def _write(path: Path, content: Content) -> None:
    with open_file(path, "xb") as file:
        if not isinstance(content, Sparse):
            file.write(content)
            return
        for number, chunk in content.chunks.items():
            file.seek(number * CHUNK)
            file.write(chunk)
        file.truncate(content.size)
