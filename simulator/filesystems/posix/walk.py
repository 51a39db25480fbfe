"""From a path to an inode, as Linux walks it (path_resolution(7); the order of its checks is that of fs/namei.c).

Nearly all paths are plain names that lead through directories. They are walked in a tight loop; whatever that loop
cannot finish (a missing name, a symbolic link, dots, footprints wanted) is walked again with care.
"""

from __future__ import annotations

import errno
from typing import Final

from simulator.filesystems.interface import LINK_TO_ROOT
from simulator.filesystems.posix.descriptors import Description, descriptor
from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import NO_ENTRIES, Inode
from simulator.filesystems.posix.paths import NAME_LIMIT, Path, parse, too_long
from simulator.filesystems.posix.scratch import is_in_scratch, scratch_of
from simulator.filesystems.posix.tree import Tree
from simulator.operations import Mode, name_in

LINK_LIMIT: Final = 40
"""Symbolic links that one walk follows (MAXSYMLINKS of Linux)."""

READ: Final = Mode.READ


class Place:
    """Where a walk ended: ``inode`` is None where ``directory`` has no ``name``.

    ``name`` is "" for the root and may be "." or ".."; then ``inode`` is what it leads to. ``slash``: the path, or
    the text of a link at its end, wants a directory.
    """

    __slots__ = ("directory", "inode", "name", "slash")

    def __init__(self, directory: Inode, name: str, inode: Inode | None, slash: bool) -> None:
        self.directory = directory
        self.name = name
        self.inode = inode
        self.slash = slash


def described(tree: Tree, rank: int, number: int) -> Description:
    """What a rank's descriptor stands for. Raises EBADF."""
    if tree.accesses is not None:
        tree.accesses.append((descriptor(rank, number), READ))
    table = tree.tables.get(rank)
    if table is None:
        raise failure(errno.EBADF)
    return table.get(number)


def start_of(tree: Tree, rank: int, path: str, at: int | None) -> Inode:
    """The directory at which a walk starts. Raises ENOENT, EBADF, ENOTDIR."""
    if at is None:
        return scratch_of(tree, rank) if path.startswith("/") else tree.root
    if not path:
        raise failure(errno.ENOENT)
    inode = described(tree, rank, at).inode
    if inode.entries is NO_ENTRIES:
        raise failure(errno.ENOTDIR)
    return inode


def lookup(tree: Tree, rank: int, path: str, at: int | None, follow: bool) -> Inode:
    """The inode that a path leads to. Raises ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EBADF."""
    parsed = parse(path)
    start = tree.root if at is None and path[:1] != "/" else start_of(tree, rank, path, at)
    if tree.accesses is None and parsed.names is not None:
        if not parsed.names:
            return start
        entries = start.entries
        try:
            for name in parsed.directories:
                entries = entries[name].entries
        except KeyError:
            pass
        else:
            found = entries.get(parsed.last)
            if found is None:
                if entries is not NO_ENTRIES:
                    raise failure(errno.ENOENT)
            elif found.entries is not NO_ENTRIES or not (parsed.slash or (follow and found.text is not None)):
                return found
    place = locate(tree, start, parsed, follow)
    if place.inode is None:
        raise failure(errno.ENOENT)
    if place.slash and place.inode.entries is NO_ENTRIES:
        raise failure(errno.ENOTDIR)
    return place.inode


def locate(tree: Tree, start: Inode, parsed: Path, follow: bool, creating: bool = False) -> Place:
    """Walk a path to its last name, through symbolic links there if ``follow`` or if a slash comes after it.

    ``creating`` is for open(2) with O_CREAT, which refuses a slash at the end before it looks at the last name.
    """
    return _located(tree, start, parsed, follow, creating, [LINK_LIMIT])


def parent_of(tree: Tree, rank: int, path: str, at: int | None) -> tuple[Inode, Path]:
    """The directory that holds the last name of a path, and the path taken apart."""
    parsed = parse(path)
    inode = start = tree.root if at is None and path[:1] != "/" else start_of(tree, rank, path, at)
    if tree.accesses is None and parsed.names is not None:
        try:
            for name in parsed.directories:
                inode = inode.entries[name]
        except KeyError:
            pass
        else:
            if inode.entries is not NO_ENTRIES:
                return inode, parsed
    return _entered(tree, start, parsed.directories, [LINK_LIMIT]), parsed


def child(tree: Tree, directory: Inode, name: str) -> Inode | None:
    """What a name in a directory leads to; the look at the name is recorded. Raises ENAMETOOLONG.

    In a removed directory there is nothing, not even a name that is too long.
    """
    if tree.accesses is not None:
        tree.accesses.append((name_in(directory.number, name), READ))
    inode = directory.entries.get(name)
    if inode is None and too_long(name, NAME_LIMIT):
        raise failure(errno.ENAMETOOLONG if directory.links else errno.ENOENT)
    return inode


def parent_directory(tree: Tree, directory: Inode) -> Inode:
    """What ".." leads to; the root's is the root."""
    if tree.accesses is not None:
        tree.accesses.append((name_in(directory.number, ".."), READ))
    assert directory.parent is not None
    return directory.parent


def _located(tree: Tree, start: Inode, parsed: Path, follow: bool, creating: bool, budget: list[int]) -> Place:
    slash = False
    while True:
        directory = _entered(tree, start, parsed.directories, budget)
        name = parsed.last
        if name in ("", ".", ".."):
            inode = parent_directory(tree, directory) if name == ".." else directory
            return Place(directory, name, inode, True)
        if creating and parsed.slash:
            raise failure(errno.EISDIR)
        slash = slash or parsed.slash
        found = child(tree, directory, name)
        if found is None or found.text is None or not (follow or slash):
            return Place(directory, name, found, slash)
        start, parsed = _target(tree, directory, found.text, budget)


def _entered(tree: Tree, inode: Inode, names: tuple[str, ...], budget: list[int]) -> Inode:
    """The directory that names lead to, through symbolic links."""
    for name in names:
        if inode.entries is NO_ENTRIES:
            raise failure(errno.ENOTDIR)
        if name == "..":
            inode = parent_directory(tree, inode)
            continue
        found = child(tree, inode, name)
        if found is not None and found.text is not None:
            start, parsed = _target(tree, inode, found.text, budget)
            found = _located(tree, start, parsed, True, False, budget).inode
        if found is None:
            raise failure(errno.ENOENT)
        inode = found
    if inode.entries is NO_ENTRIES:
        raise failure(errno.ENOTDIR)
    return inode


def _target(tree: Tree, directory: Inode, text: str, budget: list[int]) -> tuple[Inode, Path]:
    """Where the walk goes on behind a symbolic link.

    In a scratch an absolute text leads into the same one; elsewhere one that is not below the root leads nowhere.
    """
    if not budget[0]:
        raise failure(errno.ELOOP)
    budget[0] -= 1
    if not text.startswith("/"):
        return directory, parse(text)
    if text.startswith(LINK_TO_ROOT) and text[len(LINK_TO_ROOT) : len(LINK_TO_ROOT) + 1] in ("", "/"):
        return tree.root, parse(text[len(LINK_TO_ROOT) :])
    if is_in_scratch(directory):
        while directory.parent is not None and directory.parent is not directory:
            directory = directory.parent
        return directory, parse(text)
    raise failure(errno.ENOENT)
