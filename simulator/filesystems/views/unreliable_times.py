"""Directories whose modification time means nothing: the profile ``fuse-mtime``, for object stores mounted by FUSE.

An object store has no directories, so whoever mounts it makes their times up: the present, the time of the mount, that
of some object in them (huggingface/transformers#26961: rotation by mtime deleted the newest checkpoint). Here a stat of
a directory may give the true time, the present, or the beginning of all times; files have reliable ones.
"""

from __future__ import annotations

import stat
from typing import Any

import msgspec

from simulator.filesystems.interface import Attributes
from simulator.filesystems.views.layers import Decisions, Layer
from simulator.operations import Operation, Stat

_OLDEST = 1
"""A time that nothing is older than."""


class UnreliableTimes:
    """The layer; implements ``layers.Layer``."""

    def __init__(self, below: Layer, decisions: Decisions) -> None:
        self._perform = below.perform
        self._decisions = decisions
        self.release = below.release
        self.would_wait = below.would_wait
        self.mtime_order = below.mtime_order
        self.restart = below.restart

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``."""
        given = self._perform(rank, operation, now)
        if type(operation) is not Stat or rank < 0 or not stat.S_ISDIR(given.mode):
            return given
        value = self._decisions.ask("mtime", rank, operation, "a directory's time is made up", 3)
        return _at(given, now if value == 1 else _OLDEST) if value else given


def _at(given: Attributes, time: int) -> Attributes:
    return msgspec.structs.replace(given, modified=time, changed=time)
