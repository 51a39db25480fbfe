"""Runs programs on the crash model, and lists what a power loss can leave of them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from simulator.boundary import installed
from simulator.engines.greenlets import greenlet_engine
from simulator.engines.programs import RankPrograms
from simulator.experiment import ROOT
from simulator.filesystems import PosixModel
from simulator.filesystems.durability import Affected, DurableModel, Telling, downward_closed, persistence_named
from simulator.filesystems.posix.content import read
from simulator.filesystems.posix.inode import NO_ENTRIES
from simulator.operations import Thing, data, listing

Tree = dict[str, bytes | None]
"""Every path; None for a directory."""

Program = Callable[[Path], None]


def run_on(model: Any, program: Program) -> None:
    """Run a program of one rank on a file system, below its root."""
    with installed():
        engine = greenlet_engine(model, RankPrograms((lambda rank: program(rank.root),), 1, ROOT))
        gc.disable()
        try:
            engine.start()
            while engine.ready:
                engine.grant(engine.ready[0])
        finally:
            engine.close()
            gc.enable()
    error = engine.endings[0].error
    if error is not None:
        raise error


def crashed(persistence: str, program: Program, before: Program | None = None, **options: Any) -> DurableModel:
    """The crash model after a program that found on the disk what the program ``before`` had left."""
    model = PosixModel()
    if before is not None:
        run_on(model, before)
    durable = DurableModel(persistence_named(persistence, options), model=model)
    run_on(durable, program)
    return durable


def tree_of(model: PosixModel) -> Tree:
    """All that is in a file system."""
    return {
        path: None if inode.entries is not NO_ENTRIES else read(inode.content, 0, -1)
        for path, inode in model.walk_files()
    }


def states(durable: DurableModel) -> Iterator[Tree]:
    """All that a power loss can leave, each once."""
    ordering = durable.ordering()
    found = set()
    for kept in downward_closed(ordering):
        model = durable.state(kept)
        if model.digest() not in found:
            found.add(model.digest())
            yield tree_of(model)


class Undecided(Exception):
    """So many states were compared with a tree, none of them was it, and there are more."""


def allows(durable: DurableModel, tree: Tree, most: int | None = None) -> bool:
    """Whether a power loss can leave this tree. Raises Undecided after ``most`` states.

    Asks of one state after the other whether it is the tree, looking no further than to the first difference: all
    states with that difference are then out at once.
    """
    affected = Affected(durable.ordering())

    def look(kept: int) -> tuple[bool, int]:
        looked: list[Thing] = []
        return is_same(durable.state(kept), tree, looked), affected.by(looked)

    for count, (_, same) in enumerate(Telling(durable.ordering(), look)):
        if same:
            return True
        if count == most:
            raise Undecided
    return False


def is_same(model: PosixModel, tree: Tree, looked: list[Thing]) -> bool:
    waiting = [("", model.tree.root)]
    while waiting:
        path, inode = waiting.pop()
        if inode.entries is NO_ENTRIES:
            looked.append(data(inode.number))
            if read(inode.content, 0, -1) != tree[path]:
                return False
            continue
        looked.append(listing(inode.number))
        prefix = path + "/" if path else ""
        names = {other.removeprefix(prefix) for other in tree if other.startswith(prefix)}
        if {name for name in names if "/" not in name} != set(inode.entries):
            return False
        for name, child in inode.entries.items():
            if (tree[prefix + name] is None) != (child.entries is not NO_ENTRIES):
                return False
            waiting.append((prefix + name, child))
    return True
