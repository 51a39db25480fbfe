"""What a node remembers of the names that it has looked at, for some time: the stat and type caches of gcsfuse.

What the node changes itself, it knows. Only looks at names (stat, access, an open that makes nothing) go by what is
remembered; whatever reads or changes an object asks the store, and so does a scan.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import Any, Final

from simulator.filesystems.interface import Attributes
from simulator.filesystems.objects.layer import Objects
from simulator.filesystems.posix.errors import failure
from simulator.filesystems.views.layers import Decisions, Journal
from simulator.operations import CHANGING, AccessCheck, Close, Fsync, Open, Operation, Stat, paths_of

_LOOKS: Final = (Stat, AccessCheck)


class StatCache:
    """The layer; implements ``layers.Layer``. Names are remembered for ``lifetime`` ns, absent ones if ``negative``."""

    def __init__(
        self,
        below: Objects,
        decisions: Decisions,
        journal: Journal,
        ranks_per_node: int,
        lifetime: int,
        negative: bool,
    ) -> None:
        self._perform = below.perform
        self._canonical = below.canonical
        self._decisions = decisions
        self._journal = journal
        self._ranks_per_node = ranks_per_node
        self._lifetime = lifetime
        self._negative = negative
        self._known: dict[tuple[int, str], tuple[Attributes | None, int]] = {}
        self._written: dict[tuple[int, int], str] = {}
        self.release = below.release
        self.would_wait = below.would_wait
        self.mtime_order = below.mtime_order
        self.unordered = True
        self.digest = below.digest
        self._restart = below.restart

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``."""
        if rank < 0:
            return self._perform(rank, operation, now)
        path = self._path(operation)
        if path is not None and isinstance(operation, _LOOKS):
            return self._looked(rank, operation, path, now)
        if path is not None and isinstance(operation, Open) and not operation.flags & os.O_CREAT:
            known = self._remembered(rank, operation, path, now)
            if known is not None and known[0] is None and self._differs(rank, operation, path, None, now):
                raise failure(errno.ENOENT)
        changed = self._changed(operation) if type(operation) in CHANGING else ()
        given = self._perform(rank, operation, now)
        node = rank // self._ranks_per_node
        if type(operation) in CHANGING:
            for each in changed:
                self._forget(node, each)
            if isinstance(operation, Open) and path is not None:
                self._journal.put(self._written, (rank, given), path)
        elif isinstance(operation, Close | Fsync) and (rank, operation.fd) in self._written:
            self._forget(node, self._written[rank, operation.fd])
            if isinstance(operation, Close):
                self._journal.drop(self._written, (rank, operation.fd))
        return given

    def restart(self) -> None:
        """See ``Layer.restart``."""
        self._journal.set(self, "_known", {})
        self._restart()

    def _looked(self, rank: int, operation: Stat | AccessCheck, path: str, now: int) -> Any:
        known = self._remembered(rank, operation, path, now)
        if known is not None and self._differs(rank, operation, path, known[0], now):
            if isinstance(operation, AccessCheck):
                return known[0] is not None
            if known[0] is None:
                raise failure(errno.ENOENT)
            return known[0]
        try:
            given = self._perform(rank, operation, now)
        except OSError:
            self._remember(rank, operation, path, None, now)
            raise
        if isinstance(given, Attributes):
            self._remember(rank, operation, path, given, now)
        return given

    def _differs(self, rank: int, operation: Operation, path: str, known: Attributes | None, now: int) -> bool:
        """Whether the node goes by what it remembers, where that is not so any more."""
        present: Attributes | None = None
        with suppress(OSError):
            present = self._perform(rank, Stat(path, follow=False), now)  # Links in it have been followed.
        if present == known:
            return False
        text = f"node {rank // self._ranks_per_node} answers from what it remembers of {path!r}"
        return self._decisions.ask("stale-name", rank, operation, text) > 0

    def _remembered(self, rank: int, operation: Operation, path: str, now: int) -> tuple[Attributes | None, int] | None:
        known = self._known.get((rank // self._ranks_per_node, path))
        return known if known is not None and self._moment(rank, operation, now) < known[1] else None

    def _remember(self, rank: int, operation: Operation, path: str, what: Attributes | None, now: int) -> None:
        if what is not None or self._negative:
            until = self._moment(rank, operation, now) + self._lifetime
            self._journal.put(self._known, (rank // self._ranks_per_node, path), (what, until))

    def _forget(self, node: int, path: str) -> None:
        for key in [key for key in self._known if key[0] == node and (key[1] + "/").startswith(path + "/")]:
            self._journal.drop(self._known, key)
        above = path.rpartition("/")[0]
        self._journal.drop(self._known, (node, above))

    def _path(self, operation: Operation) -> str | None:
        """The path of an operation on a name, as keys have it; None where it is relative to a descriptor."""
        path = getattr(operation, "target", None) if isinstance(operation, Stat) else getattr(operation, "path", None)
        if not isinstance(path, str) or getattr(operation, "at", None) is not None:
            return None
        follow = getattr(operation, "follow", True)
        if isinstance(operation, Open):
            follow = not operation.flags & (os.O_NOFOLLOW | os.O_EXCL)
        return self._canonical(path, follow=follow).strip("/")

    def _changed(self, operation: Operation) -> set[str]:
        """What an operation is about to change: a symbolic link, or what it leads to."""
        paths = paths_of(operation)
        return {self._canonical(path, follow=follow).strip("/") for path in paths for follow in (False, True)}

    def _moment(self, rank: int, operation: Operation, now: int) -> int:
        acting = self._decisions.acting
        return now if acting is None else acting(rank, operation)[2]
