"""The tree of a model as a set of keys: objects put and removed, directories that come and go with them."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.filesystems.posix.inode import DIRECTORY, NO_ENTRIES, Inode
from simulator.filesystems.posix.naming import change_directory, create, lose_name
from simulator.filesystems.posix.tree import Tree, put, save, take


def found(tree: Tree, key: str) -> Inode | None:
    """What is under a key: an object, or the directory that its prefix is taken for."""
    inode: Inode | None = tree.root
    for name in key.split("/") if key else ():
        inode = inode.entries.get(name) if inode is not None else None
    return inode


def put_object(tree: Tree, rank: int, key: str, inode: Inode, now: int) -> None:
    """Put an object under a key, replacing what was there; the directories that it lies in come with it."""
    *prefix, name = key.split("/")
    directory = tree.root
    for part in prefix:
        below = directory.entries.get(part)
        if below is None:
            below = create(tree, rank, directory, part, DIRECTORY | 0o755, now)
            directory.links += 1
        directory = below
    replaced = directory.entries.get(name)
    change_directory(tree, directory, name, now)
    if replaced is not None:
        lose_name(tree, replaced, now)
        take(tree, directory, name, replaced)
    save(tree, inode)
    inode.modified = inode.changed = now
    put(tree, directory, name, inode)


def objects_below(directory: Inode) -> Iterator[str]:
    """The keys of all objects below a directory, relative to it, in order."""
    for name in sorted(directory.entries):
        inode = directory.entries[name]
        if inode.entries is NO_ENTRIES:
            yield name
        else:
            yield from (f"{name}/{key}" for key in objects_below(inode))


def holds_objects(directory: Inode) -> bool:
    """Whether any object lies below a directory."""
    return next(objects_below(directory), None) is not None
