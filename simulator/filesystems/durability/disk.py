"""What is on a disk: inodes by number, built up from micro-operations, and made into a file system again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from simulator.filesystems.durability.micro_operations import (
    AttributeChange,
    Birth,
    DataWrite,
    Entry,
    MicroOperation,
    NameChange,
)
from simulator.filesystems.posix.content import Content, size_of, splice, truncate
from simulator.filesystems.posix.inode import DIRECTORY, NO_ENTRIES, Inode, place
from simulator.filesystems.posix.model import PosixModel
from simulator.filesystems.posix.tree import ROOT_INODE, Tree


class Node:
    """An inode on the disk. ``entries`` is None for what is not a directory."""

    __slots__ = ("content", "entries", "gid", "mode", "modified", "text", "uid")

    def __init__(self, mode: int, uid: int, gid: int, text: str | None, modified: int) -> None:
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.text = text
        self.modified = modified
        self.content: Content = b""
        self.entries: dict[str, int] | None = {} if mode & 0o170000 == DIRECTORY else None

    def copied(self) -> Node:
        """The same, to be changed."""
        node = Node(self.mode, self.uid, self.gid, self.text, self.modified)
        node.content = self.content
        node.entries = None if self.entries is None else dict(self.entries)
        return node


Disk = Mapping[int, Node]
"""The root is inode ``ROOT_INODE``. Nodes that nothing leads to may be among them."""


def disk_of(tree: Tree) -> dict[int, Node]:
    """All that a tree holds, as if every bit of it were on the disk."""
    disk: dict[int, Node] = {}
    waiting = [tree.root]
    while waiting:
        inode = waiting.pop()
        if inode.number in disk:
            continue
        node = disk[inode.number] = Node(inode.mode, inode.uid, inode.gid, inode.text, inode.modified)
        node.content = inode.content
        if inode.entries is not NO_ENTRIES:
            node.entries = {name: child.number for name, child in inode.entries.items()}
            waiting += inode.entries.values()
    return disk


def after(disk: Disk, births: Mapping[int, Birth], changes: Iterable[tuple[int, MicroOperation]]) -> dict[int, Node]:
    """The disk after micro-operations, each with its time, that come in the order of their log.

    Data that is written beyond a file's size is there when the file becomes longer, unless it was truncated before.
    """
    found: dict[int, Node] = dict(disk)
    changed: dict[int, Node] = {}
    sizes: dict[int, int] = {}
    covered: dict[tuple[int, str], list[int]] = {}

    def node_of(number: int) -> Node:
        node = changed.get(number)
        if node is None:
            known = found.get(number)
            if known is None:
                birth = births[number]
                known = Node(birth.mode, birth.uid, birth.gid, birth.text, birth.time)
            node = found[number] = changed[number] = known.copied()
            sizes[number] = size_of(node.content)
        return node

    for time, change in changes:
        if isinstance(change, NameChange):
            for entry in change.entries:
                directory = node_of(entry.directory)
                directory.modified = time
                if entry.after is not None:
                    node_of(entry.after)
                assert directory.entries is not None
                _change_entry(directory.entries, covered.setdefault((entry.directory, entry.name), []), entry)
            continue
        node = node_of(change.inode)
        if isinstance(change, AttributeChange):
            node.mode, node.uid, node.gid = change.mode, change.uid, change.gid
            if change.modified is not None:
                node.modified = change.modified
            continue
        node.modified = time
        if isinstance(change, DataWrite):
            node.content = splice(node.content, change.offset, change.data)
        else:
            sizes[change.inode] = change.after
            if change.after < change.before:
                node.content = truncate(node.content, min(change.after, size_of(node.content)))
    for number, node in changed.items():
        if size_of(node.content) != sizes[number]:
            node.content = truncate(node.content, sizes[number])
    return found


def _change_entry(entries: dict[str, int], covered: list[int], entry: Entry) -> None:
    """A name leads elsewhere; ``covered`` are the inodes to which it would lead if what is newer were removed.

    What is removed is an entry, not whatever has the name: where the removal of an older entry is lost, that one is
    under the newer ones of the same name, and comes back when they go. So do the items of a directory of btrfs, each
    with an index of its own, when a log is replayed; seen as the old file under a name that was removed, used for
    another file, and left by it through a rename or ``unlink``, with that file synced.
    """
    if entry.before is not None:
        if entries.get(entry.name) == entry.before:
            del entries[entry.name]
            if covered:
                entries[entry.name] = covered.pop()
        elif entry.before in covered:
            covered.remove(entry.before)
    if entry.after is not None:
        if entry.name in entries:
            covered.append(entries[entry.name])
        entries[entry.name] = entry.after


def reachable(disk: Disk) -> dict[int, Node]:
    """What a path leads to. The rest is lost, as a file system check would find."""
    found: dict[int, Node] = {}
    waiting = [ROOT_INODE]
    while waiting:
        number = waiting.pop()
        if number not in found:
            found[number] = node = disk[number]
            waiting += (node.entries or {}).values()
    return found


def model_of(disk: Disk, created: Mapping[int, int]) -> PosixModel:
    """The file system that a machine finds on the disk. ``created`` is how many inodes each rank has made so far."""
    model = PosixModel()
    tree = model.tree
    tree.created.update(created)
    root = disk[ROOT_INODE]
    tree.root.mode, tree.root.uid, tree.root.gid = root.mode, root.uid, root.gid
    tree.root.modified = tree.root.changed = tree.root.accessed = root.modified
    made = {ROOT_INODE: tree.root}
    waiting = [ROOT_INODE]
    while waiting:
        number = waiting.pop()
        directory, node = made[number], disk[number]
        for name, child in (node.entries or {}).items():
            inode = made.get(child)
            if inode is None:
                inode = made[child] = _inode(child, disk[child])
                if disk[child].entries is not None:
                    directory.links += 1
                    waiting.append(child)
            else:
                assert disk[child].entries is None, "a directory with two names"
                inode.links += 1
            directory.entries[name] = inode
            place(inode, directory, name)
    return model


def _inode(number: int, node: Node) -> Inode:
    inode = Inode(number, node.mode, node.modified, node.gid, node.text)
    inode.uid = node.uid
    inode.content = node.content
    return inode
