"""The whole state of a POSIX model, taken apart so that two of them can be compared."""

from __future__ import annotations

from typing import Any

from simulator.filesystems import PosixModel
from simulator.filesystems.posix.content import token
from simulator.filesystems.posix.inode import Inode

Times = dict[int, tuple[int, int, int]]


def state_of(model: PosixModel) -> dict[str, Any]:
    """Everything but times and caches: inodes by number, whether named or only open, descriptors, locks, streams."""
    tree = model._tree
    inodes = _inodes(model)
    holders = {}
    for rank, table in sorted(tree.tables.items()):
        for number, held in sorted(table.opened.items()):
            holders[id(held)] = (held.inode.number, rank, number)
    return {
        "inodes": {number: _inode(inode, holders) for number, inode in inodes.items()},
        "descriptors": {
            rank: ({number: _description(held, holders) for number, held in sorted(table.opened.items())}, table.lowest)
            for rank, table in sorted(tree.tables.items())
            if table.opened
        },
        "created": dict(sorted(tree.created.items())),
    }


def times_of(model: PosixModel) -> Times:
    """The times of every inode: modified, changed, accessed."""
    return {number: (inode.modified, inode.changed, inode.accessed) for number, inode in _inodes(model).items()}


def _inodes(model: PosixModel) -> dict[int, Inode]:
    found: dict[int, Inode] = {}
    waiting = [model._tree.root]
    waiting += [held.inode for table in model._tree.tables.values() for held in table.opened.values()]
    while waiting:
        inode = waiting.pop()
        if inode.number not in found:
            found[inode.number] = inode
            waiting += inode.entries.values()
    return found


def _inode(inode: Inode, holders: dict[int, Any]) -> Any:
    entries = {name: child.number for name, child in sorted(inode.entries.items())}
    # A file's places are known by the entries; which of them is called the first has no meaning.
    places = sorted(
        (place.number, name) for place, name in ((inode.parent, inode.name), *inode.more) if place is not None
    )
    locks = sorted(holders[id(held)] for held in inode.locks)
    return (inode.mode, inode.uid, inode.gid, inode.links, token(inode.content), inode.text, entries, places, locks)


def _description(held: Any, holders: dict[int, Any]) -> Any:
    kinds = (held.append, held.path_only, held.readable, held.writable)
    return (held.inode.number, held.position, held.references, held.lock, held.first, holders[id(held)][1:], kinds)
