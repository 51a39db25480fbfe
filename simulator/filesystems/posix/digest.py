"""The incremental digest of the tree: what a restart would see, as one number.

A Merkle hash (Merkle, 1987) whose inner nodes are sums: a directory's total is the sum modulo 2**128 of one hash for
each entry, over its name, type and permissions, owner, and what is below it. A sum does not depend on the order of
the entries and one of them can be replaced without a look at the others (incremental hashing by addition: Bellare and
Micciancio, 1997; there is no adversary here, so 128 bits suffice).

A change marks the names on the way to the root as stale; the digest then renews these only. Inode numbers, times and
the open descriptors have no part in it. Files with several names carry their link count; which of two equal files a
further name belongs to is not told apart.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from simulator.filesystems.posix.content import token
from simulator.filesystems.posix.inode import NO_ENTRIES, Inode

_MODULUS: Final = 1 << 128
_pack = struct.Struct("<IIII").pack
_number = int.from_bytes


class Summary:
    """What is known of a directory's entries: the hash of each, their sum, and the names that must be renewed.

    ``whole`` is the digest of the tree below the directory, if that is the root; while no name is stale it is right.
    """

    __slots__ = ("hashes", "stale", "total", "whole")

    def __init__(self, names: dict[str, Inode]) -> None:
        self.hashes: dict[str, int] = {}
        self.total = 0
        self.stale = set(names)
        self.whole = -1


def mark(directory: Inode, name: str) -> None:
    """Note that the entry has changed, so that all hashes above it are stale.

    A directory that was never summed up stops the way: whoever is above it has its name among the stale ones already.
    """
    while True:
        summary = directory.summary
        if summary is None or name in summary.stale:
            return
        summary.stale.add(name)
        parent = directory.parent
        if parent is None or parent is directory:
            return
        name = directory.name
        directory = parent


def touch(inode: Inode) -> None:
    """Note that the inode itself has changed, under all its names."""
    parent = inode.parent
    if parent is not None:
        if parent.summary is not None:
            mark(parent, inode.name)
        for directory, name in inode.more:
            mark(directory, name)


def digest_of(root: Inode) -> int:
    """The digest of the tree below ``root``, with its own permissions and owner; 128 bits."""
    summary = root.summary
    if summary is None:
        summary = root.summary = Summary(root.entries)
    found = _stale_directories(root)
    while found:
        _sum_up(found.pop())
    summary.whole = (summary.total + _own_hash(root.mode, root.uid, root.gid)) % _MODULUS
    return summary.whole


def _stale_directories(root: Inode) -> list[Inode]:
    """Those to be summed up, parents before children; without recursion, since trees may be deep."""
    found = [root]
    for directory in found:
        entries = directory.entries
        assert directory.summary is not None
        for name in directory.summary.stale:
            child = entries.get(name)
            if child is not None and child.entries is not NO_ENTRIES:
                summary = child.summary
                if summary is None:
                    child.summary = Summary(child.entries)
                    found.append(child)
                elif summary.stale:
                    found.append(child)
    return found


def _sum_up(directory: Inode) -> None:
    summary = directory.summary
    assert summary is not None
    hashes, entries, total = summary.hashes, directory.entries, summary.total
    for name in summary.stale:
        total -= hashes.pop(name, 0)
        inode = entries.get(name)
        if inode is None:
            continue
        links = 0
        below: bytes | str | int
        if inode.entries is not NO_ENTRIES:
            assert inode.summary is not None
            below = inode.summary.total
        elif inode.text is not None:
            below = inode.text
        else:
            if inode.token is None:
                inode.token = token(inode.content)
            below = inode.token
        if inode.links > 1 and inode.entries is NO_ENTRIES:
            links = inode.links
        hashes[name] = value = _entry_hash(name, inode.mode, inode.uid, inode.gid, links, below)
        total += value
    summary.total = total % _MODULUS
    summary.stale.clear()


@lru_cache(maxsize=1 << 8)
def _own_hash(mode: int, uid: int, gid: int) -> int:
    """The hash of the root's own attributes: it has no name, so no entry's hash is over the same bytes."""
    return _entry_hash("", mode, uid, gid, 0, b"")


@lru_cache(maxsize=1 << 15)
def _entry_hash(name: str, mode: int, uid: int, gid: int, links: int, below: bytes | str | int) -> int:
    """The hash of one entry. Schedules of one program meet the same entries again and again: most are in the cache.

    ``below`` is a file's token, a symbolic link's text, or the total of a directory; ``mode`` tells which.
    """
    if isinstance(below, str):
        below = below.encode("utf-8", "surrogateescape")
    elif isinstance(below, int):
        below = below.to_bytes(16, "little")
    head = name.encode("utf-8", "surrogateescape") + b"\0" + _pack(mode, uid, gid, links)
    return _number(blake2b(head + below, digest_size=16).digest(), "little")
