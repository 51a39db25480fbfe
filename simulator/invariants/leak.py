"""Garbage: files of checkpoints that nothing will ever read or delete."""

from __future__ import annotations

from typing import Any

from simulator.invariants.violation import Violation
from simulator.workload import BoundWorkload


def leaked(filesystem: Any, bound: BoundWorkload) -> Violation | None:
    """Judge ``no-leak`` at the normal end of an attempt that has saved.

    A job that keeps k checkpoints (and the best one) leaves at most that many copies of each file of a checkpoint;
    more of them is what a dead attempt or a lost race left behind. A job that keeps all is not judged. Where each node
    has a disk of its own, each is judged by itself.
    """
    if bound.keep is None:
        return None
    disks = getattr(filesystem, "disks", (filesystem,))
    return next((leak for disk in disks if (leak := _leaked_on(disk, bound, bound.keep)) is not None), None)


def _leaked_on(filesystem: Any, bound: BoundWorkload, keep: int) -> Violation | None:
    allowed = keep + (1 if bound.best is not None else 0)
    found: dict[str, list[str]] = {}
    for path, _ in filesystem.walk_files():
        for spec in bound.names.of(path):
            found.setdefault(spec.name, []).append(path)
    for spec in bound.specs:
        copies = sorted(found.get(spec.name, ()))
        if len(copies) > allowed:
            return Violation(
                "no-leak",
                f"{len(copies)} copies of {spec.name} are left where at most {allowed} "
                f"belong to checkpoints that are kept: {', '.join(copies)}",
            )
    return None
