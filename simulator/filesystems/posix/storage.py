"""How many bytes the files of a model hold while a job runs, and the most at any time."""

from __future__ import annotations

from simulator.filesystems.posix.content import size_of
from simulator.filesystems.posix.inode import Inode
from simulator.filesystems.posix.model import PosixModel
from simulator.filesystems.posix.tree import OLD_FIELDS


class StorageMeter:
    """Follows a model through its log of changes. ``size`` and ``peak`` in bytes, holes counted as written.

    A file without a name counts no more, whether somebody still has it open or not. Calling ``observe`` after each
    operation costs as much as the operation changed; nobody else may set a mark in between and keep it.
    """

    __slots__ = ("_mark", "_model", "_sizes", "peak", "size")

    def __init__(self, model: PosixModel) -> None:
        self._model = model
        self._mark = model.mark()
        self._sizes: dict[int, int] = {}
        self.size = 0
        self.peak = 0

    def observe(self) -> None:
        """Take note of what has changed since the last call."""
        log = self._model.tree.log
        if not log:
            return
        for step in log:
            if step[0] is OLD_FIELDS:
                self._count(step[1])
        self.peak = max(self.peak, self.size)
        self._model.forget(self._mark)
        self._mark = self._model.mark()

    def close(self) -> None:
        """Take the last note, and leave the model as it was."""
        self.observe()
        self._model.forget(self._mark)

    def _count(self, inode: Inode) -> None:
        size = size_of(inode.content) if inode.parent is not None else 0
        self.size += size - self._sizes.get(inode.number, 0)
        self._sizes[inode.number] = size
