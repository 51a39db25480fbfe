"""What the client of a node knows of a server's inodes, and how long it trusts that.

Nothing is copied while it is true: a client notes *that* it has looked, and only when somebody else is about to change
something does it get to keep what it was before. So what a client believes is what the server has, but for a few
differences, and these are what a stale answer can come from.

Everything here can be undone, as in the POSIX model: while ``log`` is a list, each step leaves in it how to.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from simulator.clock import SECOND
from simulator.filesystems.interface import Attributes
from simulator.filesystems.posix.content import Content
from simulator.filesystems.posix.inode import NO_ENTRIES, Inode
from simulator.filesystems.views.parameters import Count, Seconds


class Mount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the profile ``nfs``, and of others that are given in these terms.

    ``acregmin`` to ``acdirmax``: the least and the most seconds that attributes of files and directories are trusted;
    ``actimeo`` sets all four, ``noac`` sets them to 0 and makes writes synchronous. ``lookupcache``: names are
    remembered ``all``, only ``pos`` (those that were there) or ``none``. ``nocto``: an open does not ask the server.
    ``rdirplus``: scans look up what they find. ``page_entries``: so many entries of a scan come together, from one page
    of the client's cache (fs/nfs/dir.c, ``struct nfs_cache_array``: 127 on 64-bit machines). ``local_lock``: file locks
    are of the node only (``flock`` and ``all``). ``vers``: 3 or 4.

    ``soft``: what an operation fails with when the server does not answer, ``no`` (never: a hard mount), ``EIO``
    (soft) or ``ETIMEDOUT`` (softerr). ``stale``, ``resent`` and ``timeouts`` bound how many answers of a run are stale
    (None: as many as may be), how many replies get lost so that the request is sent again, and how often the server
    does not answer.
    """

    acregmin: Seconds = 3
    acregmax: Seconds = 60
    acdirmin: Seconds = 30
    acdirmax: Seconds = 60
    actimeo: Seconds | None = None
    noac: bool = False
    lookupcache: Literal["all", "pos", "none"] = "all"
    nocto: bool = False
    rdirplus: bool = True
    page_entries: Annotated[int, msgspec.Meta(ge=1)] = 127
    local_lock: Literal["none", "flock", "posix", "all"] = "none"
    vers: Literal[3, 4] = 4
    soft: Literal["no", "EIO", "ETIMEDOUT"] = "no"
    stale: Count | None = None
    resent: Count = 0
    timeouts: Count = 0

    def least(self, inode: Inode) -> int:
        """Nanoseconds that attributes are trusted at first."""
        return self._nanoseconds(self.acregmin if inode.entries is NO_ENTRIES else self.acdirmin)

    def most(self, inode: Inode) -> int:
        """Nanoseconds that attributes are trusted at most."""
        return self._nanoseconds(self.acregmax if inode.entries is NO_ENTRIES else self.acdirmax)

    def remembers(self, child: Inode | None) -> bool:
        """Whether what was found under a name is remembered."""
        return self.lookupcache == "all" or (self.lookupcache == "pos" and child is not None)

    def _nanoseconds(self, seconds: float) -> int:
        if self.noac:
            return 0
        return round((seconds if self.actimeo is None else self.actimeo) * SECOND)


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
