"""What the client of a node knows of a server's inodes, and how long it trusts that.

Nothing is copied while it is true: a client notes *that* it has looked, and only when somebody else is about to change
something does it get to keep what it was before. So what a client believes is what the server has, but for a few
differences, and these are what a stale answer can come from.

Everything here can be undone, as in the POSIX model: while ``log`` is a list, each step leaves in it how to.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from simulator.filesystems.interface import Attributes
from simulator.filesystems.posix.content import Content
from simulator.filesystems.posix.inode import Inode

NOBODY: Final = -1


class _Belief:
    """Stands where a client's belief about a name would be an inode, or None for one that is absent."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


CURRENT: Final = _Belief("CURRENT")
"""What the server has now."""
UNKNOWN: Final = _Belief("UNKNOWN")
"""The client has not looked."""


class Known:
    """What a client knows of one inode, since it last asked the server for the inode's attributes.

    ``change`` was the inode's ctime then, by which the client sees whether it has changed (the change attribute of
    NFSv4; nfsd derives it from the ctime). The knowledge is trusted until ``expires``, ``timeout`` nanoseconds after
    the client asked; ``since`` is when the timeout was last set. ``names`` are those of a directory that were looked
    up, with what the client believes of each. ``held``: the client has the entries of the directory, or the pages of
    the file. ``old`` is what it keeps of that, and the attributes, from before somebody else changed the inode.
    """

    __slots__ = ("change", "expires", "held", "names", "old", "since", "timeout")

    def __init__(self, change: int, moment: int, timeout: int) -> None:
        self.change = change
        self.timeout = timeout
        self.since = moment
        self.expires = moment + timeout
        self.names: dict[str, Inode | _Belief | None] = {}
        self.held = False
        self.old: Old | None = None

    def forget(self) -> None:
        """The inode has changed: nothing that is known of it holds."""
        self.names = {}
        self.held = False
        self.old = None

    def fields(self) -> tuple[Any, ...]:
        """All that there is, for ``restore``. ``names`` is not copied."""
        return self.change, self.timeout, self.since, self.expires, self.names, self.held, self.old

    def restore(self, *fields: Any) -> None:
        """Inverse of ``fields``."""
        self.change, self.timeout, self.since, self.expires, self.names, self.held, self.old = fields


class Old(msgspec.Struct, frozen=True):
    """An inode as it was: its attributes; ``entries`` of a directory, ``content`` of a file, if the client has them."""

    attributes: Attributes
    entries: tuple[tuple[str, int, int], ...] | None = None
    content: Content | None = None


class Client:
    """One node's view of the server.

    ``silly`` is where it has put files that it deleted while it had them open, ``renamed`` how many there were so far;
    ``removed`` are the directories that it has removed itself.
    """

    __slots__ = ("known", "node", "removed", "renamed", "silly")

    def __init__(self, node: int) -> None:
        self.node = node
        self.renamed = 0
        self.known: dict[Inode, Known] = {}
        self.silly: dict[Inode, tuple[Inode, str]] = {}
        self.removed: dict[Inode, bool] = {}


def is_gone(inode: Inode) -> bool:
    """Whether the server has removed it: a handle on it is stale, unless the server holds it open."""
    return inode.links == 0
