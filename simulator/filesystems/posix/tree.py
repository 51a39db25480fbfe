"""The state that operations act on, and the few steps by which they change it, each of which can be undone."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from simulator.filesystems.numbering import DescriptorTable
from simulator.filesystems.posix.descriptors import Description, created
from simulator.filesystems.posix.digest import mark, touch
from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import DIRECTORY, NO_ENTRIES, Inode, displace, place
from simulator.operations import Access, Mode

Undo: TypeAlias = tuple[Callable[..., None], *tuple[Any, ...]]
"""A function and what to call it with to undo one step."""

ROOT_INODE: Final = 1
SCRATCH: Final = 1 << 58
"""The numbers of inodes in a scratch have this bit; see ``scratch``."""
_VIEWERS: Final = 1 << 60
"""Inode numbers of those who are not ranks (negative numbers) start here."""


class Tree:
    """Everything that a model holds. ``log`` is None while no mark is set, ``accesses`` while nobody asks for them.

    ``scratch`` holds the roots of what is not shared, by node; see ``scratch.scratch_of``.
    """

    __slots__ = ("accesses", "created", "log", "ranks_per_node", "root", "scratch", "tables")

    def __init__(self) -> None:
        self.root = Inode(ROOT_INODE, DIRECTORY | 0o755, 0)
        self.root.parent = self.root
        self.tables: dict[int, DescriptorTable[Description]] = {}
        self.created: dict[int, int] = {}
        self.scratch: dict[int, Inode] = {}
        self.ranks_per_node = 1
        self.log: list[Undo] | None = None
        self.accesses: list[Access] | None = None


def new_inode_number(tree: Tree, rank: int, directory: Inode | None = None) -> int:
    """The next number of the rank's own stream, so that creations by different ranks commute exactly.

    ``directory``: where the inode gets its name; in a scratch it is told from others by its number.
    """
    count = tree.created.get(rank, 0) + 1
    if tree.log is not None:
        tree.log.append((_restore_count, tree, rank, count - 1))
    tree.created[rank] = count
    if tree.accesses is not None:
        tree.accesses.append((created(rank), Mode.WRITE))
    number = (rank + 1 << 32 | count) if rank >= 0 else (_VIEWERS - (rank << 32) | count)
    return number if directory is None else number | directory.number & SCRATCH


def save(tree: Tree, inode: Inode) -> None:
    """Before an inode's own fields change: keep them for undoing."""
    if tree.log is not None:
        tree.log.append((
            _restore_inode, inode, inode.mode, inode.uid, inode.gid, inode.links, inode.modified, inode.changed,
            inode.accessed, inode.content, inode.token, inode.parent, inode.name, inode.more, inode.locks,
        ))  # fmt: skip


def save_description(tree: Tree, description: Description) -> None:
    """Before a description's position, references or lock change: keep them for undoing."""
    if tree.log is not None:
        tree.log.append(
            (_restore_description, description, description.position, description.references, description.lock)
        )


def put(tree: Tree, directory: Inode, name: str, inode: Inode) -> None:
    """Let a name lead to an inode that has been saved (or is new). A former entry must have been taken before."""
    if tree.log is not None:
        tree.log.append((_restore_absence, directory, name))
    directory.entries[name] = inode
    place(inode, directory, name)
    if directory.summary is not None:
        mark(directory, name)


def take(tree: Tree, directory: Inode, name: str, inode: Inode) -> None:
    """Remove a name. The inode that it leads to has been saved."""
    if tree.log is not None:
        tree.log.append((_restore_entry, directory, name, inode))
    del directory.entries[name]
    if inode.entries is NO_ENTRIES:
        displace(inode, directory, name)
    if directory.summary is not None:
        mark(directory, name)


def install(tree: Tree, rank: int, description: Description) -> int:
    """Give a description the rank's smallest free descriptor."""
    table = tree.tables.get(rank)
    if table is None:
        table = tree.tables[rank] = DescriptorTable()
        if tree.log is not None:
            tree.log.append((_restore_table, tree, rank, None))
    lowest = table.lowest
    number = table.install(description)
    if tree.log is not None:
        tree.log.append((_restore_descriptor, table, number, None, lowest))
    if description.first < 0:
        description.first = number
    return number


def remove(tree: Tree, rank: int, number: int) -> Description:
    """Free a descriptor. Raises EBADF."""
    table = tree.tables.get(rank)
    if table is None:
        raise failure(errno.EBADF)
    lowest = table.lowest
    description = table.remove(number)
    if tree.log is not None:
        tree.log.append((_restore_descriptor, table, number, description, lowest))
    return description


def forget_table(tree: Tree, rank: int) -> None:
    """Free all descriptors of a rank."""
    table = tree.tables.pop(rank, None)
    if table is not None and tree.log is not None:
        tree.log.append((_restore_table, tree, rank, table))


def undo(log: list[Undo], length: int) -> None:
    """Undo the latest steps until ``length`` are left."""
    while len(log) > length:
        function, *arguments = log.pop()
        function(*arguments)


def _restore_count(tree: Tree, rank: int, count: int) -> None:
    if count:
        tree.created[rank] = count
    else:
        del tree.created[rank]


def _restore_inode(inode: Inode, *fields: Any) -> None:
    (
        inode.mode, inode.uid, inode.gid, inode.links, inode.modified, inode.changed, inode.accessed, inode.content,
        inode.token, inode.parent, inode.name, inode.more, inode.locks,
    ) = fields  # fmt: skip
    touch(inode)


def _restore_description(description: Description, *fields: int) -> None:
    description.position, description.references, description.lock = fields


def _restore_absence(directory: Inode, name: str) -> None:
    del directory.entries[name]
    if directory.summary is not None:
        mark(directory, name)


def _restore_entry(directory: Inode, name: str, inode: Inode) -> None:
    directory.entries[name] = inode
    if directory.summary is not None:
        mark(directory, name)


def _restore_table(tree: Tree, rank: int, table: DescriptorTable[Description] | None) -> None:
    if table is None:
        del tree.tables[rank]
    else:
        tree.tables[rank] = table


def _restore_descriptor(
    table: DescriptorTable[Description], number: int, description: Description | None, lowest: int
) -> None:
    if description is None:
        del table.opened[number]
    else:
        table.opened[number] = description
    table.lowest = lowest


OLD_FIELDS: Final = _restore_inode
OLD_ABSENCE: Final = _restore_absence
OLD_ENTRY: Final = _restore_entry
"""By these first parts of a step of the log one sees what it changed, and reads what was there before."""
