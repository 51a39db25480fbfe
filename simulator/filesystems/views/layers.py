"""A file system made of a server and of layers through which the ranks see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from simulator.filesystems.posix import Inode
from simulator.filesystems.views.decisions import Acting, Choose, Decisions
from simulator.filesystems.views.journal import Journal
from simulator.filesystems.views.server import Server
from simulator.operations import Access, Lock, Operation


class Layer(Protocol):
    """Carries operations out, by those of what is below it."""

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``."""
        ...

    def release(self, rank: int) -> None:
        """See ``Filesystem.release``."""
        ...

    def would_wait(self, rank: int, operation: Lock) -> bool:
        """See ``PosixModel.would_wait``."""
        ...

    def mtime_order(self) -> Sequence[tuple[str, int]]:
        """See ``PosixModel.mtime_order``."""
        ...

    def restart(self) -> None:
        """The job starts anew, on nodes that have nothing cached."""
        ...


class LayeredFilesystem:
    """A ``Filesystem`` that can be put back. ``layer`` is the topmost one; what it needs undone is in ``journal``.

    A judgement, and the first operations of a restarted job, find empty caches: how long a restart takes is not known,
    but the caches live no longer than some tens of seconds. ``server`` is what all layers are over. ``bounds`` says of
    each group of choices (see ``GROUPS``) how many of an attempt may be other than 0; None: as many as it offers.
    ``unordered``: the layers do not tell what operations touch, so that nobody knows which of them commute. ``digest``
    names what a restart would see, which has empty caches: see ``PosixModel.digest``.
    """

    __slots__ = ("_decisions", "_journal", "_layer", "_marks", "bounds", "digest", "perform", "server", "unordered")

    def __init__(
        self,
        server: Server,
        layer: Layer,
        decisions: Decisions,
        journal: Journal,
        bounds: Mapping[str, int | None],
    ) -> None:
        self.server = server
        self._layer = layer
        self._decisions = decisions
        self._journal = journal
        self._marks: list[int] = []
        self.bounds = bounds
        self.perform = layer.perform
        self.unordered: bool = getattr(layer, "unordered", False)
        self.digest: Callable[[], int] = getattr(layer, "digest", server.digest)

    def begin(self, choose: Choose | None, acting: Acting | None = None) -> None:
        """An attempt of the job begins, on empty caches.

        From now on its choices are asked for, and ``acting`` tells which task acts and what time it is for it.
        """
        self._decisions.begin(choose, acting)
        self._layer.restart()

    def release(self, rank: int) -> None:
        """See ``Filesystem.release``."""
        self._layer.release(rank)

    def release_all(self) -> None:
        """Every process has ended, as when the job dies."""
        for rank in sorted(self.server.tree.tables):
            self._layer.release(rank)
        self._layer.restart()

    def lose_power(self, lost: int) -> None:
        """See ``DurableModel.lose_power``, which the server must be. Caches do not outlive that."""
        self.server.lose_power(lost)  # type: ignore[attr-defined]
        self._layer.restart()

    def would_wait(self, rank: int, operation: Lock) -> bool:
        """See ``PosixModel.would_wait``."""
        return self._layer.would_wait(rank, operation)

    @property
    def accesses(self) -> list[Access] | None:
        """See ``PosixModel.accesses``; with what the layers touch."""
        return self.server.accesses

    @accesses.setter
    def accesses(self, accesses: list[Access] | None) -> None:
        self.server.accesses = accesses

    def mark(self) -> int:
        """See ``PosixModel.mark``."""
        if self._journal.log is None:
            self._journal.log = []
        self._marks.append(len(self._journal.log))
        return self.server.mark()

    def rollback(self, mark: int) -> None:
        """See ``PosixModel.rollback``."""
        self._journal.undo(self._marks[mark])
        self.server.rollback(mark)
        self._forget(mark)

    def forget(self, mark: int) -> None:
        """See ``PosixModel.forget``."""
        self.server.forget(mark)
        self._forget(mark)

    def _forget(self, mark: int) -> None:
        del self._marks[mark:]
        if not self._marks:
            self._journal.log = None

    def walk_files(self) -> Iterator[tuple[str, Inode]]:
        """See ``PosixModel.walk_files``."""
        return self.server.walk_files()

    def mtime_order(self) -> Sequence[tuple[str, int]]:
        """See ``PosixModel.mtime_order``."""
        return self._layer.mtime_order()
