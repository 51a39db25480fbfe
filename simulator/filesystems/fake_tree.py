"""What pyfakefs lacks and a run needs: times by the virtual clock, a digest, and a way back.

pyfakefs stamps by the real clock and never moves a directory's modification time, so times are kept here: after each
operation, whatever looks different has changed now.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from stat import S_ISDIR
from typing import Any

import msgspec


class Stamp(msgspec.Struct):
    """Times of an object in nanoseconds, and what it looked like when they were last set."""

    accessed: int
    modified: int
    changed: int
    data: Any
    meta: Any


class Stamps:
    """The times of every object of a fake file system that is named or open."""

    def __init__(self) -> None:
        self.known: dict[Any, Stamp] = {}

    def renew(self, objects: Iterator[Any], now: int) -> None:
        """Move the times of what has changed since the last call, and forget what is no more."""
        found = {}
        for inode in objects:
            data, meta = _looks(inode)
            stamp = self.known.get(inode)
            if stamp is None:
                stamp = Stamp(now, now, now, data, meta)
            elif stamp.data != data:
                stamp = Stamp(stamp.accessed, now, now, data, meta)
            elif stamp.meta != meta:
                stamp = Stamp(stamp.accessed, stamp.modified, now, data, meta)
            found[inode] = stamp
        self.known = found


def named(root: Any) -> Iterator[tuple[str, Any]]:
    """Every name below a fake directory with its object, in order of names, directories before what is in them."""
    waiting = [("", root)]
    while waiting:
        path, inode = waiting.pop()
        if path:
            yield path, inode
        if S_ISDIR(inode.st_mode):
            prefix = path + "/" if path else ""
            waiting += [(prefix + name, inode.entries[name]) for name in sorted(inode.entries, reverse=True)]


def digest_of(root: Any) -> int:
    """128 bits that name the tree; costs as much as its whole content."""
    digest = blake2b(digest_size=16)
    for path, inode in (("", root), *named(root)):
        links = inode.st_nlink if not S_ISDIR(inode.st_mode) else 0
        head = repr((path, inode.st_mode, inode.st_uid, inode.st_gid, links)).encode("utf-8", "backslashreplace")
        content = b"" if S_ISDIR(inode.st_mode) else inode.byte_contents or b""
        for part in (head, content):
            digest.update(len(part).to_bytes(8, "little") + part)
    return int.from_bytes(digest.digest(), "little")


def saved(filesystem: Any, objects: Iterator[Any]) -> list[tuple[Any, dict[str, Any]]]:
    """The fields of a fake file system and of its objects, copied deep enough to be put back."""
    records = [(inode, dict(inode.__dict__)) for inode in objects]
    for _, fields in records:
        fields["stat_result"] = fields["stat_result"].copy()
        if "_entries" in fields:
            fields["_entries"] = dict(fields["_entries"])
    volumes = {path: dict(volume) for path, volume in filesystem.mount_points.items()}
    return [*records, (filesystem, {"last_ino": filesystem.last_ino, "mount_points": volumes})]


def put_back(records: list[tuple[Any, dict[str, Any]]]) -> None:
    """Inverse of ``saved``."""
    for held, fields in records:
        held.__dict__.update(fields)


def _looks(inode: Any) -> tuple[Any, Any]:
    meta = (inode.st_mode, inode.st_uid, inode.st_gid, inode.st_nlink)
    if S_ISDIR(inode.st_mode):
        return {name: id(child) for name, child in inode.entries.items()}, meta
    return (inode.epoch, inode.st_size), meta
