"""Scratch: the directories for temporary files that each node has for itself, on another device than the root.

A path that begins with a slash lies there: ``/tmp/a`` is ``a`` in the ``/tmp`` of the rank's node. All ranks of a node
share it, no other sees it; nothing can be renamed or linked between it and the root (EXDEV), and it goes with its node.
Its directories are made when somebody first looks there. Who judges in the place of a rank is on that rank's node.
"""

from __future__ import annotations

from typing import Final

from simulator.filesystems.interface import SCRATCH_DIRECTORIES
from simulator.filesystems.posix.inode import DIRECTORY, Inode
from simulator.filesystems.posix.tree import SCRATCH, Tree, put
from simulator.operations import Operation, paths_of

_PUBLIC: Final = DIRECTORY | 0o1777
_DESCRIPTORS: Final = ("fd", "target", "at", "source_at", "target_at")


def scratch_of(tree: Tree, rank: int) -> Inode:
    """The root of the scratch of a rank's node."""
    node = (rank if rank >= 0 else -1 - rank) // tree.ranks_per_node
    found = tree.scratch.get(node)
    if found is None:
        found = tree.scratch[node] = _made(node)
        if tree.log is not None:
            tree.log.append((_unmake, tree, node))
    return found


def lose_scratch(tree: Tree, node: int) -> None:
    """The node is gone, and its scratch with it."""
    lost = tree.scratch.pop(node, None)
    if lost is not None and tree.log is not None:
        tree.log.append((_restore, tree, node, lost))


def is_in_scratch(inode: Inode) -> bool:
    """Whether an inode is one of a scratch."""
    return bool(inode.number & SCRATCH)


def is_about_scratch(tree: Tree, rank: int, operation: Operation) -> bool:
    """Whether an operation is about something in the scratch of the rank's node, by a path or a descriptor."""
    if any(path.startswith("/") for path in paths_of(operation)):
        return True
    table = tree.tables.get(rank) if tree.scratch else None
    if table is None:
        return False
    for field in operation.__struct_fields__:
        if field in _DESCRIPTORS:
            number = getattr(operation, field)
            description = table.opened.get(number) if isinstance(number, int) else None
            if description is not None and is_in_scratch(description.inode):
                return True
    return False


def _made(node: int) -> Inode:
    numbers = iter(range(SCRATCH | node << 16, SCRATCH | node + 1 << 16))
    root = Inode(next(numbers), DIRECTORY | 0o755, 0)
    root.parent = root
    apart = Tree()  # Without a log: what is made here goes as a whole.
    for path in SCRATCH_DIRECTORIES:
        directory = root
        for name in path.strip("/").split("/"):
            below = directory.entries.get(name)
            if below is None:
                below = Inode(next(numbers), DIRECTORY | 0o755, 0)
                directory.links += 1
                put(apart, directory, name, below)
            directory = below
        directory.mode = _PUBLIC
    return root


def _unmake(tree: Tree, node: int) -> None:
    del tree.scratch[node]


def _restore(tree: Tree, node: int, lost: Inode) -> None:
    tree.scratch[node] = lost
