"""Inodes: directories, files and symbolic links, and where in the tree they are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulator.filesystems.posix.content import Content

if TYPE_CHECKING:
    from simulator.filesystems.posix.descriptors import Description
    from simulator.filesystems.posix.digest import Summary

DIRECTORY: Final = 0o040000
REGULAR: Final = 0o100000
SYMLINK: Final = 0o120000
PIPE: Final = 0o010000
PERMISSIONS: Final = 0o7777


class Inode:
    """One file, directory or symbolic link.

    ``mode`` has the type's bits. ``entries`` is ``NO_ENTRIES`` for everything but directories, so that looking a name
    up in a file finds nothing; ``text`` is None for everything but symbolic links. ``parent`` and ``name`` are one
    place where the inode is linked, ``more`` are the others of a file with several names; ``parent`` is None for a
    file without a name, stays what it was for a removed directory, and is the root itself for the root. ``locks``
    are the open descriptions that hold a flock. ``token`` and ``summary`` are caches of the digest.
    """

    __slots__ = (
        "accessed", "changed", "content", "entries", "gid", "links", "locks", "mode", "modified", "more", "name",
        "number", "parent", "summary", "text", "token", "uid",
    )  # fmt: skip

    number: int
    mode: int
    uid: int
    gid: int
    links: int
    modified: int
    changed: int
    accessed: int
    entries: dict[str, Inode]
    content: Content
    text: str | None
    parent: Inode | None
    name: str
    more: tuple[tuple[Inode, str], ...]
    locks: tuple[Description, ...]
    token: bytes | None
    summary: Summary | None

    def __init__(self, number: int, mode: int, now: int, gid: int = 0, text: str | None = None) -> None:
        self.number = number
        self.mode = mode
        self.uid = 0
        self.gid = gid
        self.modified = self.changed = self.accessed = now
        if mode & DIRECTORY == DIRECTORY:
            self.links = 2
            self.entries = {}
        else:
            self.links = 1
            self.entries = NO_ENTRIES
        self.content = b""
        self.text = text
        self.parent = None
        self.name = ""
        self.more = ()
        self.locks = ()
        self.token = None
        self.summary = None


NO_ENTRIES: Final[dict[str, Inode]] = {}
"""The entries of what is not a directory. Never written to."""


def place(inode: Inode, directory: Inode, name: str) -> None:
    """Note that ``inode`` is now linked as ``name`` in ``directory``."""
    if inode.parent is None or inode.entries is not NO_ENTRIES:
        inode.parent = directory
        inode.name = name
    else:
        inode.more += ((directory, name),)


def displace(inode: Inode, directory: Inode, name: str) -> None:
    """Note that a file is no longer linked as ``name`` in ``directory``."""
    if inode.parent is directory and inode.name == name:
        if inode.more:
            (inode.parent, inode.name), *rest = inode.more
            inode.more = tuple(rest)
        else:
            inode.parent = None
    else:
        inode.more = tuple(known for known in inode.more if known[0] is not directory or known[1] != name)
