"""Objects that are being written: nobody sees them under their key until they are put there whole."""

from __future__ import annotations

import errno
import os
from hashlib import blake2b

import msgspec

from simulator.filesystems.objects.keys import found, put_object
from simulator.filesystems.objects.options import ObjectOptions
from simulator.filesystems.posix.content import token
from simulator.filesystems.posix.descriptors import Description
from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import NO_ENTRIES, PERMISSIONS, REGULAR, Inode
from simulator.filesystems.posix.tree import install, new_inode_number
from simulator.filesystems.views.layers import Journal, Server
from simulator.operations import Open


class Upload(msgspec.Struct, frozen=True):
    """An object that is being written on a node: its key, what is to be replaced there, and whether it is complete."""

    key: str
    node: int
    replaces: Inode | None
    complete: bool = False


class Uploads:
    """All of them, by the inode that is written to."""

    def __init__(self, server: Server, journal: Journal, options: ObjectOptions) -> None:
        self._server = server
        self._journal = journal
        self._options = options
        self.open: dict[Inode, Upload] = {}
        self._put_by: dict[Inode, int] = {}
        """Which node put an object there. What nodes did not upload, but moved, is in here for none."""

    def begin(self, rank: int, node: int, operation: Open, key: str, existing: Inode | None, now: int) -> int:
        """Open a file for writing; gives its descriptor. Raises EPERM, EINVAL for what cannot be written so."""
        tree, flags = self._server.tree, operation.flags
        if existing is not None and not self._options.overwrite:
            raise failure(errno.EPERM)
        kept = existing is not None and not flags & os.O_TRUNC
        if kept and not self._options.modify:
            raise failure(errno.EINVAL)
        mode = existing.mode if existing is not None else REGULAR | operation.mode & PERMISSIONS
        inode = Inode(new_inode_number(tree, rank), mode, now)
        if kept and existing is not None:
            inode.content = existing.content
        number = install(tree, rank, Description(inode, flags))
        self._journal.put(self.open, inode, Upload(key, node, existing))
        return number

    def of(self, rank: int, number: int) -> tuple[Inode, Upload] | None:
        """What a descriptor writes to, if that is an upload."""
        table = self._server.tree.tables.get(rank)
        description = table.opened.get(number) if table is not None else None
        if description is None or not description.writable:
            return None
        upload = self.open.get(description.inode)
        return (description.inode, upload) if upload is not None else None

    def under(self, key: str, node: int) -> Inode | None:
        """What a node is writing under a key, and has not put there yet."""
        waiting = (
            inode for inode, each in self.open.items() if (each.key, each.node) == (key, node) and not each.complete
        )
        return next(waiting, None)

    def is_last(self, rank: int, number: int) -> bool:
        """Whether the descriptor is the only one left of its file."""
        return self._server.tree.tables[rank].opened[number].references == 1

    def complete(self, rank: int, inode: Inode, now: int) -> None:
        """Put the object under its key. Raises ESTALE where somebody else has replaced what it was to replace."""
        upload, tree = self.open[inode], self._server.tree
        if upload.complete:
            return
        present = found(tree, upload.key)
        self._journal.put(self.open, inode, msgspec.structs.replace(upload, complete=True))
        if self._is_stale(upload, present):
            raise failure(errno.ESTALE)
        if present is not None and present.entries is not NO_ENTRIES:
            raise failure(errno.EISDIR)
        put_object(tree, rank, upload.key, inode, now)
        self._journal.put(self._put_by, inode, upload.node)

    def _is_stale(self, upload: Upload, present: Inode | None) -> bool:
        """Whether another node has replaced or deleted what the upload was to replace."""
        if self._options.conflict != "stale" or present is upload.replaces:
            return False
        return present is None or self._put_by.get(present) != upload.node

    def end(self, inode: Inode) -> None:
        """Nobody writes to it any more."""
        self._journal.drop(self.open, inode)

    def digest(self) -> int:
        """What would become of a state by them if every process died now."""
        if self._options.dies == "drops":
            return 0
        waiting = sorted(
            (each.key, token(inode.content), self._is_stale(each, found(self._server.tree, each.key)))
            for inode, each in self.open.items()
            if not each.complete
        )
        if not waiting:
            return 0
        return int.from_bytes(
            blake2b(repr(waiting).encode("utf-8", "surrogatepass"), digest_size=16).digest(), "little"
        )
