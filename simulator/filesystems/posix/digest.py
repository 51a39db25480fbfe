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
from hashlib import blake2b
from typing import Final

from simulator.filesystems.posix.content import token
from simulator.filesystems.posix.inode import NO_ENTRIES, Inode

_MODULUS: Final = 1 << 128
_pack = struct.Struct("<IIII").pack


class Summary:
    """What is known of a directory's entries: the hash of each, their sum, and the names that must be renewed."""

    __slots__ = ("hashes", "stale", "total")

    def __init__(self, names: dict[str, Inode]) -> None:
        self.hashes: dict[str, int] = {}
        self.total = 0
        self.stale = set(names)


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
    _renew(root)
    assert root.summary is not None
    head = _pack(root.mode, root.uid, root.gid, 0) + root.summary.total.to_bytes(16, "little")
    return int.from_bytes(blake2b(head, digest_size=16).digest(), "little")


def _renew(root: Inode) -> None:
    """Bring the totals up to date, children before parents; without recursion, since trees may be deep."""
    found: list[Inode] = []
    waiting = [root]
    while waiting:
        directory = waiting.pop()
        entries = directory.entries
        summary = directory.summary
        if summary is None:
            summary = directory.summary = Summary(entries)
        if not summary.stale:
            continue
        found.append(directory)
        for name in summary.stale:
            child = entries.get(name)
            if child is not None and child.entries is not NO_ENTRIES:
                waiting.append(child)
    for directory in reversed(found):
        _sum_up(directory)


def _sum_up(directory: Inode) -> None:
    summary = directory.summary
    assert summary is not None
    hashes, entries, total = summary.hashes, directory.entries, summary.total
    for name in summary.stale:
        total -= hashes.pop(name, 0)
        child = entries.get(name)
        if child is not None:
            hashes[name] = value = _hash(name, child)
            total += value
    summary.total = total % _MODULUS
    summary.stale = set()


def _hash(name: str, inode: Inode) -> int:
    if inode.text is not None:
        below = inode.text.encode("utf-8", "surrogateescape")
    elif inode.entries is not NO_ENTRIES:
        assert inode.summary is not None
        below = inode.summary.total.to_bytes(16, "little")
    else:
        if inode.token is None:
            inode.token = token(inode.content)
        below = inode.token
    links = inode.links if inode.entries is NO_ENTRIES and inode.links > 1 else 0
    head = name.encode("utf-8", "surrogateescape") + b"\0" + _pack(inode.mode, inode.uid, inode.gid, links)
    return int.from_bytes(blake2b(head + below, digest_size=16).digest(), "little")
