"""The read-only view of a judgement: code runs on the live file system and leaves no mark.

Whatever it does (recovery code may write) is undone; no operation enters the trace, no clock moves, no cache warms.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from simulator.boundary.caller import CURRENT
from simulator.engines.conditions import Conditions
from simulator.engines.greenlets import greenlet_engine
from simulator.engines.interface import Ending, Program
from simulator.engines.programs import RankPrograms
from simulator.filesystems import Filesystem
from simulator.operations import Thing, looked_at


class Rewindable(Filesystem, Protocol):
    """A file system that can be put back to where it was."""

    def mark(self) -> Any: ...
    def rollback(self, mark: Any) -> None: ...
    def digest(self) -> int: ...
    def mtime_order(self) -> Any: ...


class Glance:
    """What a judgement's code did: how each rank ended, and which times and link counts it looked at on the way."""

    __slots__ = ("endings", "looked", "waiting")

    def __init__(self, endings: dict[int, Ending], waiting: dict[int, str], looked: frozenset[Thing]) -> None:
        self.endings = endings
        self.waiting = waiting
        self.looked = looked


def glance(
    filesystem: Filesystem,
    program: Program,
    *,
    nodes: int,
    world_size: int,
    root: str,
    attempt: int,
    fresh_states: Callable[[int], Callable[[int], Any]] | None = None,
) -> Glance:
    """Run ``program`` on every rank at once, without interleaving, on the file system as it is now.

    The job is taken to have died: its descriptors are closed and its locks are free.
    """
    accesses = getattr(filesystem, "accesses", None)
    if accesses is not None:
        filesystem.accesses = None  # type: ignore[attr-defined]
    mark = filesystem.mark() if hasattr(filesystem, "mark") else None
    if mark is not None and hasattr(filesystem, "release_all"):
        filesystem.release_all()
    caller = CURRENT.caller
    ranks = RankPrograms((program,) * world_size, nodes, root, fresh_states)
    engine = greenlet_engine(filesystem, ranks, Conditions(attempt), viewer=True)
    try:
        engine.start()
        looked = frozenset(thing for _, inode, facet in engine.looks for thing, _ in looked_at(inode, facet))
        return Glance(dict(engine.endings), engine.waiting(), looked)
    finally:
        engine.close()
        CURRENT.caller = caller
        if mark is not None:
            filesystem.rollback(mark)  # type: ignore[attr-defined]
        if accesses is not None:
            filesystem.accesses = accesses  # type: ignore[attr-defined]


class World:
    """What a user's invariant gets: the directory tree as a restart would see it, and what the ranks returned."""

    def __init__(self, root: Path, world_size: int, attempt: int, returned: dict[int, Any]) -> None:
        self.root = root
        self.world_size = world_size
        self.attempt = attempt
        self.returned = returned
