"""How a client is mounted: how long it trusts what it knows, and what it remembers. Names as in nfs(5)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from simulator.clock import SECOND
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
