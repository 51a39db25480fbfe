"""What a layer tells of a server's inodes by itself: attributes, entries, and where an inode is."""

from __future__ import annotations

from simulator.filesystems.interface import DIRECTORY_SIZE, Attributes
from simulator.filesystems.posix.content import Content, size_of
from simulator.filesystems.posix.inode import NO_ENTRIES, Inode


def attributes_of(inode: Inode, content: Content | None = None) -> Attributes:
    """What a stat of the inode tells now; of another ``content`` where one is given."""
    if inode.entries is not NO_ENTRIES:
        size = DIRECTORY_SIZE
    elif inode.text is not None:
        size = len(inode.text.encode("utf-8", "surrogateescape"))
    else:
        size = size_of(inode.content if content is None else content)
    return Attributes(
        inode.mode, inode.number, inode.links, size, inode.uid, inode.gid, 1, inode.accessed, inode.modified,
        inode.changed,
    )  # fmt: skip


def listing_of(directory: Inode) -> tuple[tuple[str, int, int], ...]:
    """What a scan of the directory gives now."""
    entries = directory.entries
    return tuple([(name, entries[name].mode & 0o170000, entries[name].number) for name in sorted(entries)])


def path_of(inode: Inode) -> str:
    """Where the server has an inode that is not gone: one path of it."""
    names: list[str] = []
    while inode.parent is not None and inode.parent is not inode:
        names.append(inode.name)
        inode = inode.parent
    return "/".join(reversed(names))
